"""From an AppSpec to what the host's side is asked to do: pure, compared as values in tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployer.remote.appspec.spec import AppSpec, FileExists, LifecycleEvent, Permission
from deployer.remote.errors import BundleError


@dataclass(frozen=True)
class Surroundings:
    """What scripts learn from their environment besides the event."""

    application: str
    deployment: str
    group: str
    instance: str
    zone: str = ""
    batch: str = ""
    strategy: str = ""
    release_from: str = ""
    release_to: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)
    """CodeDeploy's `BUNDLE_*` variables, when the bundle came from S3 or a repository."""

    def variables(self) -> dict[str, str]:
        """The environment: CodeDeploy's names first, ours beside them."""
        return {
            **self.origin,
            "APPLICATION_NAME": self.application,
            "DEPLOYMENT_ID": self.deployment,
            "DEPLOYMENT_GROUP_NAME": self.group,
            # CodeDeploy's own id of a group means nothing here; scripts use it as a key only.
            "DEPLOYMENT_GROUP_ID": self.group,
            "DEPLOYER_INSTANCE_ID": self.instance,
            "DEPLOYER_ZONE": self.zone,
            "DEPLOYER_BATCH": self.batch,
            "DEPLOYER_STRATEGY": self.strategy,
            "DEPLOYER_RELEASE_FROM": self.release_from,
            "DEPLOYER_RELEASE_TO": self.release_to,
        }


@dataclass(frozen=True)
class HostRequest:
    """One job for a host: some events of a release, in their order."""

    digest: str
    events: tuple[LifecycleEvent, ...]
    spec: AppSpec
    surroundings: Surroundings
    file_exists: FileExists = FileExists.DISALLOW
    """What the AppSpec's own `file_exists_behavior` overrides."""
    commit: bool = True
    keep: int = 3
    ignore_stop_failures: bool = False
    """Whether a failing script of the last release is passed over: ApplicationStop and those around traffic."""

    @property
    def job(self) -> str:
        """The name of the job: the same request has the same one, so that asking twice runs it once."""
        key = [self.digest, self.surroundings.deployment, *(event.value for event in self.events)]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]

    def document(self, epoch: int = 0, line: str = "") -> bytes:
        """The request as the host's side reads it, under the epoch of this line of leases.

        Raises BundleError for a Windows release.
        """
        return json.dumps(
            {
                "job": self.job,
                "digest": self.digest,
                "events": [event.value for event in self.events],
                "spec": compiled(self.spec, self.file_exists),
                "environment": self.surroundings.variables(),
                "commit": self.commit,
                "keep": self.keep,
                "ignore_stop_failures": self.ignore_stop_failures,
                "epoch": epoch,
                "line": line,
            }
        ).encode()


def compiled(spec: AppSpec, file_exists: FileExists = FileExists.DISALLOW) -> dict[str, object]:
    """An AppSpec as the host's side reads it. Raises BundleError for a Windows release."""
    if spec.os != "linux":
        raise BundleError(
            "this bundle's appspec.yml says os: windows; its hosts are reached by SSH, which needs os: linux"
        )
    return {
        "files": [{"source": copy.source, "destination": copy.destination} for copy in spec.files],
        "file_exists": (spec.file_exists or file_exists).value,
        "permissions": [_permission(permission) for permission in spec.permissions],
        "hooks": {
            event.value: [
                {"location": s.location, "timeout": s.timeout, "runas": s.runas, "sudo": s.sudo} for s in scripts
            ]
            for event in LifecycleEvent
            if event.takes_scripts and (scripts := spec.scripts(event))
        },
    }


def _permission(permission: Permission) -> dict[str, object]:
    return {
        "object": permission.object,
        "pattern": permission.pattern,
        "exclude": list(permission.exclude),
        "types": list(permission.types),
        "owner": permission.owner,
        "group": permission.group,
        "mode": permission.mode,
        "acls": [acl.entry for acl in permission.acls],
        "context": _context_arguments(permission),
    }


def _context_arguments(permission: Permission) -> Sequence[str] | None:
    context = permission.context
    if context is None:
        return None
    user = ["-s", context.user] if context.user else []
    levels = ["-r", context.range] if context.range else []
    return [*user, "-t", context.type, *levels]
