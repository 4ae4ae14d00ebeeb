"""What can be done with one host, as the engine and a bake ask for it; each call blocks until it has ended."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from deployer.model.hosts import Host, Package
from deployer.model.observation import Answer, Proof, Work
from deployer.remote.appspec.spec import IN_PLACE, LifecycleEvent
from deployer.remote.bundle.bundle import Bundle, open_bundle
from deployer.remote.connections import ConnectionReader
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError
from deployer.remote.findings import Look, answer, question
from deployer.remote.install import EventStatus, Installer, JobState, JobStatus
from deployer.remote.outcome import Done, Failed, Unknown
from deployer.remote.plan import HostRequest, Surroundings
from deployer.remote.probe import Question, Reply, curl, curl_reply, probe
from deployer.remote.request_count import (
    LOG_SECONDS,
    AccessLog,
    Counter,
    RequestSource,
    counted,
    fetch,
    in_log,
    on_host,
    read_count,
)
from deployer.remote.sockets import Reading

MOST_EVIDENCE = 16 * 1024
"""Bytes of a host's logs that are shown."""
EVIDENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Application:
    """What the hosts run, as far as asking for it goes. Durations are in seconds."""

    name: str
    fleet: str
    port: int
    health_path: str = "/"
    release_header: str | None = "X-Release"
    must_name: bool = True
    """Whether an answer has to name its release. If not, one that does not is known as `unnamed` says."""
    unnamed: Proof = Proof.IMAGE
    strategy: str = ""
    batch: str = ""
    log_command: tuple[str, ...] = ()
    """What prints the end of the application's log; else the journal of the services that were installed."""
    requests: RequestSource | None = None
    """Where it tells how many requests it has answered."""
    ask_hosts: bool = True
    """Whether hosts are asked over SSH for what they do not answer directly."""
    probe_deadline: float = 3.0
    lame_duck_deadline: float = 30.0
    keep: int = 3
    """Releases that stay on a host."""

    def question(self, host: Host) -> Question:
        """The question for its health and release."""
        return Question(host.address, self.port, self.health_path, self.release_header, self.probe_deadline)


@dataclass(frozen=True)
class Ended:
    """How work on a host ended, and why, when it did not end well."""

    work: Work
    detail: str = ""
    harmless: bool = False
    """Whether it failed before any file of the application was changed."""


class HostWork:
    """The work itself; safe to use from many threads. Raises RemoteError where a host cannot be asked at all."""

    def __init__(
        self,
        door: Door,
        installer: Installer,
        application: Application,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = door
        self._installer = installer
        self._application = application
        self._clock = clock
        self._reader = ConnectionReader(door, become=installer.may_become)
        self._through_host: set[str] = set()
        self._bundles: dict[Package, Bundle] = {}
        self._questions: dict[Package, bytes] = {}
        self._guard = threading.Lock()

    def answer(self, host: Host) -> Answer:
        """Its health and release: by the application's own word, else as those of the fleet are known."""
        return self._answer(host, self._application.unnamed)

    def proven(self, host: Host) -> Answer:
        """The same of a host that something was just installed on: its marker tells what it does not say."""
        return self._answer(host, Proof.MARKER)

    def _answer(self, host: Host, unnamed: Proof) -> Answer:
        asked_at = self._clock()
        reply, proof = self._reply(host)
        heard = reply.heard
        if reply.release is not None or self._application.must_name:
            return Answer(reply.ok, asked_at, reply.release, reply.detail, proof, heard=heard)
        if unnamed is not Proof.MARKER or not reply.ok:
            return Answer(reply.ok, asked_at, None, reply.detail, unnamed, heard=heard)
        try:
            installed = self._installer.installed(host)
            return Answer(True, asked_at, None, reply.detail, unnamed, digest=installed)
        except RemoteError as problem:
            detail = f"{reply.detail}, but its marker does not tell the release: {problem}"
            return Answer(True, asked_at, None, detail, unnamed)

    def _reply(self, host: Host) -> tuple[Reply, Proof]:
        """What it answers: directly where that works, else through the host, which is remembered."""
        question = self._application.question(host)
        direct = None
        if host.instance not in self._through_host:
            direct = probe(question)
            if direct.status is not None or not self._application.ask_hosts:
                return direct, Proof.ASKED
        try:
            reply = curl_reply(self._door.run(host, curl(question)), question)
        except RemoteError as problem:
            reason = f"{direct.detail}; and over SSH: {problem}" if direct else str(problem)
            return Reply(None, detail=reason, heard=False), Proof.ASKED
        if reply.status is None:
            self._through_host.discard(host.instance)
        else:
            self._through_host.add(host.instance)
        return reply, Proof.HOST

    def connections(self, host: Host, ports: Collection[int] = (), unproven: Collection[int] = ()) -> Reading:
        """The connections in use on these ports and the application's own. Raises RemoteError when the host does
        not tell.

        Of the `unproven` ports it is found out whether connections to them can be seen there.
        """
        return self._reader.read(host, {*ports, self._application.port}, unproven)

    def requests(self, host: Host) -> int:
        """How many requests it has answered since it was started, or since its log begins.

        Raises RemoteError when nobody can tell.
        """
        source = self._application.requests
        try:
            match source:
                case Counter():
                    return self._counter(host, source)
                case AccessLog():
                    outcome = self._installer.run(host, in_log(source), LOG_SECONDS)
                    return read_count(outcome, source.path)
                case None:
                    raise RemoteError("nothing says how requests are counted")
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise RemoteError(f"{host.instance}: {problem}") from problem

    def _counter(self, host: Host, wanted: Counter) -> int:
        """Directly where that works, else through the host."""
        deadline = self._application.probe_deadline
        try:
            page = fetch(host.address, wanted, deadline)
        except (OSError, http.client.HTTPException):
            if not self._application.ask_hosts:
                raise
            outcome = self._door.run(host, on_host(host.address, wanted, deadline))
            if not isinstance(outcome, Done):
                raise
            page = outcome.output.decode("utf-8", "replace")
        found = counted(page, wanted)
        if found is None:
            raise RemoteError(f"{host.instance}: {wanted.url(host.address)} shows no such counter {wanted.name}")
        return found

    def quieten(self, host: Host, words: Sequence[str]) -> Ended:
        """Runs the lame-duck command as the one who installs."""
        match self._installer.run(host, words, self._application.lame_duck_deadline):
            case Done():
                return Ended(Work.DONE)
            case Failed(code, tail):
                return Ended(Work.FAILED, f"{words[0]} exited with {code}: {tail.strip()[-500:]}")
            case Unknown(reason):
                return Ended(Work.UNKNOWN, reason)

    def look(self, host: Host, package: Package) -> Look:
        """What stands in a release's way on a host. Nothing is written there. Raises RemoteError."""
        return answer(self._installer.look(host, self._question(package)))

    def _question(self, package: Package) -> bytes:
        with self._guard:
            known = self._questions.get(package)
        if known is None:
            known = question(self._bundle(package))
            with self._guard:
                self._questions[package] = known
        return known

    def stage(self, host: Host, package: Package) -> None:
        """Brings the bundle onto the host and has it verified there; nothing that runs is touched.

        Raises RemoteError when it did not come about.
        """
        self._installer.stage(host, self._bundle(package).packed)

    def install(
        self,
        host: Host,
        package: Package,
        deployment: str,
        release_from: str,
        events: tuple[LifecycleEvent, ...] = IN_PLACE,
        on_event: Callable[[EventStatus], None] | None = None,
        *,
        ignore_stop_failures: bool = False,
    ) -> Ended:
        """Stages a release and runs its events. For one deployment and digest they run once.

        With other events than `IN_PLACE` nothing is installed: the traffic events run by themselves.
        """
        bundle = self._bundle(package)
        if LifecycleEvent.DOWNLOAD_BUNDLE in events:
            self._installer.stage(host, bundle.packed)
        application = self._application
        surroundings = Surroundings(
            application=application.name,
            deployment=deployment,
            group=application.fleet,
            instance=host.instance,
            zone=host.zone,
            batch=application.batch,
            strategy=application.strategy,
            release_from=release_from,
            release_to=package.release,
            origin=bundle.origin,
        )
        request = HostRequest(
            digest=bundle.packed.digest,
            events=events,
            spec=bundle.spec,
            surroundings=surroundings,
            commit=LifecycleEvent.INSTALL in events,
            keep=application.keep,
            ignore_stop_failures=ignore_stop_failures,
        )
        status = self._installer.install(host, request, on_event)
        work = _work_of(status)
        return Ended(work, describe(status), harmless=work is Work.FAILED and not status.changed)

    def _bundle(self, package: Package) -> Bundle:
        with self._guard:
            if package not in self._bundles:
                self._bundles[package] = open_bundle(package)
            return self._bundles[package]

    def evidence(self, host: Host) -> str:
        """The end of the application's log, or why it cannot be had."""
        words = self._application.log_command
        if not words:
            return self._installer.evidence(host)
        match self._installer.run(host, words, EVIDENCE_SECONDS):
            case Done(output):
                return output[-MOST_EVIDENCE:].decode("utf-8", "replace")
            case Failed(code, tail):
                return f"{words[0]} exited with {code}: {tail}"
            case Unknown(reason):
                return f"the application's log cannot be had: {reason}"


def _work_of(status: JobStatus) -> Work:
    match status.state:
        case JobState.DONE:
            return Work.DONE
        case JobState.FAILED:
            return Work.FAILED
        case JobState.RUNNING | JobState.LOST | JobState.ABSENT:
            return Work.UNKNOWN


def describe(status: JobStatus) -> str:
    """How a job ended, with the end of what its scripts said; empty when it ended well."""
    if status.state is JobState.DONE:
        return ""
    began = status.events[-1].event if status.events else "its first event"
    reason = status.error or f"{began} began, and how it ended is not known"
    return f"{reason}\n{status.output.strip()}".strip()
