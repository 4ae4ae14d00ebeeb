"""The agent on an instance: runs lifecycle events there, from the bundle that lies in S3.

It is the product's own host side, over SSH with the lab's key. Scripts see what CodeDeploy's agent shows them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import s3_backends

from deployer.lab.codedeploy.records import Deployment, Diagnostics
from deployer.lab.context import InstanceFacts, LabContext
from deployer.lab.home import LabHome
from deployer.model.errors import DeployerError, UsageError
from deployer.model.hosts import Host, Links, StoredObject
from deployer.remote.appspec.spec import FileExists, LifecycleEvent
from deployer.remote.bundle.bundle import Bundle, load_bundle
from deployer.remote.bundle.sources import Place
from deployer.remote.door import SshDoor
from deployer.remote.errors import RemoteError
from deployer.remote.install import EventStatus, Installer, InstallSettings, JobState, JobStatus
from deployer.remote.plan import HostRequest, Surroundings
from deployer.remote.ssh import SshSettings

ROOT = "/opt/codedeploy-agent/deployment-root"
"""The agent's folder on the instance, where its documentation has it."""
_TAIL = 2048
"""Bytes of a script's output that the API keeps [CodeDeploy API, Diagnostics.logTail is the last 2 KB]."""
_ERRORS = (
    (re.compile(r"is not in the bundle"), "ScriptMissing"),
    (re.compile(r"did not end in"), "ScriptTimedOut"),
    (re.compile(r"cannot be started"), "ScriptNotExecutable"),
    (re.compile(r"exited with|was killed by signal"), "ScriptFailed"),
)
_SCRIPT_LINE = re.compile(r"^\[[A-Za-z]+\] (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class AgentSurroundings(Surroundings):
    """The environment of a script as CodeDeploy makes it, with nothing of ours in it."""

    group_id: str = ""

    def variables(self) -> dict[str, str]:
        """See `Surroundings`."""
        return {
            **self.origin,
            "APPLICATION_NAME": self.application,
            "DEPLOYMENT_ID": self.deployment,
            "DEPLOYMENT_GROUP_NAME": self.group,
            "DEPLOYMENT_GROUP_ID": self.group_id,
        }


@dataclass(frozen=True)
class MotoObjects:
    """S3 as moto keeps it in this process (`deployer.remote.bundle.sources.ObjectStore`)."""

    account: str

    def download(self, bucket: str, key: str, version: str | None, target: IO[bytes], limit: int) -> StoredObject:
        """Writes an object to `target`. Raises UsageError, in S3's own words, when it is not there."""
        try:
            found: Any = s3_backends[self.account]["aws"].get_object(bucket, key, version_id=version)
        except S3ClientError as problem:
            raise UsageError(f"s3://{bucket}/{key}: {problem.message}") from problem
        if found is None or isinstance(found.value, str):
            raise UsageError(f"s3://{bucket}/{key}: The specified key does not exist.")
        if len(found.value) > limit:
            raise UsageError(f"s3://{bucket}/{key} is larger than {limit} bytes")
        target.write(found.value)
        return StoredObject(str(found.etag).strip('"'), str(found.version_id) if version else None)


class Agents:
    """The agents of all instances."""

    def __init__(self, context: LabContext) -> None:
        home = LabHome(context.directory.home)
        self._account = context.settings.account
        self._cache = context.directory.home / "codedeploy"
        settings = SshSettings(
            "ec2-user",
            context.settings.ssh_port,
            key_files=(home.key,),
            use_agent=False,
            known_hosts=(home.known_hosts,),
        )
        self._door = SshDoor(settings)
        self._installers: dict[str, Installer] = {}
        self._bundles: dict[str, Bundle | str] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends the connections."""
        self._door.close()

    def bundle(self, deployment: Deployment) -> Bundle | str:
        """The revision's bundle, fetched once a deployment; or why it cannot be had."""
        with self._lock:
            if deployment.id not in self._bundles:
                self._bundles[deployment.id] = self._fetch(deployment.revision, deployment.id)
            return self._bundles[deployment.id]

    def _fetch(self, revision: Mapping[str, Any], name: str) -> Bundle | str:
        location = revision.get("s3Location")
        if revision.get("revisionType") != "S3" or not location:
            return "The lab's agents fetch revisions from Amazon S3 only."
        version = f"?versionId={location['version']}" if location.get("version") else ""
        place = Place("", Path("/"), self._cache, MotoObjects(self._account), links=Links.AS_IS, secrets=("*",))
        try:
            bundle = load_bundle(f"s3://{location['bucket']}/{location['key']}{version}", name, place)
        except DeployerError as problem:
            return str(problem)
        wanted = str(location.get("eTag") or "").strip('"')
        if wanted and bundle.origin.get("BUNDLE_ETAG") != wanted:
            return f"The object has the ETag {bundle.origin.get('BUNDLE_ETAG')}; the revision names {wanted}."
        return bundle

    def run(
        self,
        deployment: Deployment,
        instance: InstanceFacts,
        events: Sequence[LifecycleEvent],
        on_event: Callable[[LifecycleEvent, JobState], None],
    ) -> tuple[LifecycleEvent, Diagnostics] | None:
        """Runs events; None when all went well, else the one that failed and why."""
        bundle = self.bundle(deployment)
        if isinstance(bundle, str):
            return self._unfetched(events, bundle, on_event)
        host = Host(instance.id, instance.address, instance.zone)

        def tell(status: EventStatus) -> None:
            on_event(LifecycleEvent(status.event), status.state)

        installer = self._installer(deployment.group.id)
        try:
            if LifecycleEvent.DOWNLOAD_BUNDLE in events:
                installer.stage(host, bundle.packed)
            status = installer.install(host, self._request(deployment, instance, events, bundle), tell)
        except RemoteError as problem:
            text = f"The agent on {instance.id} did not answer: {problem}"
            return events[0], Diagnostics("UnknownError", "", text)
        return _failure(status, events)

    def _installer(self, group: str) -> Installer:
        """The agent's side of one deployment group, with a folder of its own.

        So it is in the agent: revisions lie in `deployment-root/GROUP-ID`, and what it installed and which revision
        was the last good one is kept in files that are named after the group's id (aws-codedeploy-agent 1.8,
        command_executor.rb, installer.rb). Groups on one host know nothing of each other.
        """
        with self._lock:
            if group not in self._installers:
                self._installers[group] = Installer(
                    self._door, InstallSettings("codedeploy", root=f"{ROOT}/{group}", poll=0.3)
                )
            return self._installers[group]

    def _unfetched(
        self, events: Sequence[LifecycleEvent], why: str, on_event: Callable[[LifecycleEvent, JobState], None]
    ) -> tuple[LifecycleEvent, Diagnostics] | None:
        if LifecycleEvent.DOWNLOAD_BUNDLE in events:
            return LifecycleEvent.DOWNLOAD_BUNDLE, Diagnostics("UnknownError", "", why)
        for event in events:
            on_event(event, JobState.DONE)
        return None

    def _request(
        self, deployment: Deployment, instance: InstanceFacts, events: Sequence[LifecycleEvent], bundle: Bundle
    ) -> HostRequest:
        group = deployment.group
        behaviour = deployment.document.get("fileExistsBehavior") or FileExists.DISALLOW.value
        return HostRequest(
            digest=bundle.packed.digest,
            events=tuple(events),
            spec=bundle.spec,
            surroundings=AgentSurroundings(
                application=group.application,
                deployment=deployment.id,
                group=group.name,
                instance=instance.id,
                origin=bundle.origin,
                group_id=group.id,
            ),
            file_exists=FileExists(behaviour),
            commit=LifecycleEvent.INSTALL in events,
        )


def _failure(status: JobStatus, events: Sequence[LifecycleEvent]) -> tuple[LifecycleEvent, Diagnostics] | None:
    if status.state is JobState.DONE:
        return None
    event = LifecycleEvent(status.events[-1].event) if status.events else events[0]
    error = (status.error or "the agent's process is gone").removeprefix(f"{event.value}: ")
    code = next((name for pattern, name in _ERRORS if pattern.search(error)), "UnknownError")
    scripts = _SCRIPT_LINE.findall(status.output)
    script = scripts[-1] if scripts and code != "UnknownError" else ""
    return event, Diagnostics(code, script, _message(code, script, error, status), _log_tail(event, script, status))


def _message(code: str, script: str, error: str, status: JobStatus) -> str:
    if code == "ScriptFailed":
        exit_code = status.events[-1].exit
        return f"Script at specified location: {script} failed with exit code {exit_code}"
    return error


def _log_tail(event: LifecycleEvent, script: str, status: JobStatus) -> str:
    if not script:
        return ""
    said = status.output.rpartition(f"[{event.value}] {script}\n")[2][-_TAIL:]
    lines = "".join(f"[stdout]{line}\n" for line in said.splitlines())
    return f"LifecycleEvent - {event.value}\nScript - {script}\n{lines}"
