"""The engine's host work over SSH: a bounded pool that asks, counts, quietens, installs and gathers evidence."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deployer.model.hosts import (
    Answered,
    Ask,
    Count,
    Counted,
    Evidence,
    GatherEvidence,
    Host,
    HostReport,
    HostTask,
    Package,
    PutRelease,
    Quieten,
    Worked,
)
from deployer.model.observation import Answer, Proof, Work
from deployer.remote.appspec.spec import IN_PLACE
from deployer.remote.bundle.bundle import Bundle, open_bundle
from deployer.remote.command import command
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError
from deployer.remote.install import Installer, JobState, JobStatus
from deployer.remote.outcome import Done, Failed, Unknown
from deployer.remote.plan import HostRequest, Surroundings
from deployer.remote.pool import Pool
from deployer.remote.probe import Question, Reply, curl, curl_reply, probe
from deployer.remote.sockets import count_connections

MOST_EVIDENCE = 16 * 1024
"""Bytes of a host's logs that are shown."""


@dataclass(frozen=True)
class Application:
    """What the hosts run, as far as asking for it goes. Durations are in seconds."""

    name: str
    fleet: str
    port: int
    health_path: str = "/"
    release_header: str | None = "X-Release"
    strategy: str = ""
    batch: str = ""
    log_command: tuple[str, ...] = ("journalctl", "--no-pager", "--lines=100")
    """What prints the end of the application's log."""
    ask_hosts: bool = True
    """Whether hosts are asked over SSH what they can be asked directly or not at all."""
    probe_deadline: float = 3.0
    lame_duck_deadline: float = 30.0
    keep: int = 3

    def question(self, host: Host) -> Question:
        """The question for its health and release."""
        return Question(host.address, self.port, self.health_path, self.release_header, self.probe_deadline)


class SshHosts:
    """Implements `deployer.engine.ports.Hosts`.

    Installing has threads of its own, so that a slow installation never keeps a drain from being watched.
    """

    def __init__(
        self,
        door: Door,
        installer: Installer,
        application: Application,
        *,
        workers: int = 16,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 30.0,
    ) -> None:
        """`clock` gives the time of answers; `patience` is how long `close` waits, in seconds."""
        self._door = door
        self._installer = installer
        self._application = application
        self._clock = clock
        self._patience = patience
        self._quick: Pool[HostTask, HostReport] = Pool(workers, self._work, self._failed, "ask")
        self._slow: Pool[HostTask, HostReport] = Pool(workers, self._work, self._failed, "install")
        self._through_host: set[str] = set()
        self._bundles: dict[Package, Bundle] = {}
        self._guard = threading.Lock()

    def submit(self, task: HostTask) -> None:
        """See `Hosts`."""
        pool = self._slow if isinstance(task, PutRelease | GatherEvidence) else self._quick
        pool.submit(task)

    def reports(self) -> Sequence[HostReport]:
        """See `Hosts`."""
        return (*self._quick.reports(), *self._slow.reports())

    def busy(self, instance: str) -> bool:
        """See `Hosts`."""
        return any(task.host.instance == instance for task in self._quick.pending() | self._slow.pending())

    def close(self) -> None:
        """See `Hosts`. An installation that goes on runs to its end on its host, which knows how it ended."""
        self._quick.close(self._patience)
        self._slow.close(self._patience)
        self._door.close()

    def _work(self, task: HostTask) -> HostReport:
        match task:
            case Ask(host):
                return Answered(host.instance, self._answer(host))
            case Count(host):
                return self._count(host)
            case Quieten():
                return self._quieten(task)
            case PutRelease():
                return self._put(task)
            case GatherEvidence(host):
                return Evidence(host.instance, self._evidence(host))

    def _failed(self, task: HostTask, problem: Exception) -> HostReport:
        """The report of a task that raised; an error that is not ours is named by its type."""
        detail = str(problem) if isinstance(problem, RemoteError) else f"{type(problem).__name__}: {problem}"
        match task:
            case Ask(host):
                return Answered(host.instance, Answer(ok=False, at=self._clock(), detail=detail))
            case Count(host):
                return Counted(host.instance, None, detail)
            case Quieten() | PutRelease():
                return Worked(task, Work.FAILED, detail)
            case GatherEvidence(host):
                return Evidence(host.instance, detail)

    def _answer(self, host: Host) -> Answer:
        """Directly where that works, else through the host; what worked last is tried first."""
        question = self._application.question(host)
        if host.instance not in self._through_host:
            reply = probe(question)
            if reply.status is not None or not self._application.ask_hosts:
                return self._as_answer(reply, Proof.ASKED)
        outcome = self._door.run(host, curl(question))
        reply = curl_reply(outcome, question)
        if reply.status is None:
            self._through_host.discard(host.instance)
        else:
            self._through_host.add(host.instance)
        return self._as_answer(reply, Proof.HOST)

    def _as_answer(self, reply: Reply, proof: Proof) -> Answer:
        return Answer(reply.ok, self._clock(), reply.release, reply.detail, proof)

    def _count(self, host: Host) -> Counted:
        # tcp6 is missing where IPv6 is off; cat then says so and ends with 1, after the first table.
        tables = command("sh", "-c", "cat /proc/net/tcp && { cat /proc/net/tcp6 2>/dev/null || true; }")
        match self._door.run(host, replace(tables, output_limit=64 * 1024 * 1024)):
            case Done(output):
                text = output.decode("ascii", "replace")
                return Counted(host.instance, count_connections(text, host.address, self._application.port))
            case Failed(code, tail):
                return Counted(host.instance, None, f"/proc/net/tcp cannot be read: exit {code}: {tail[-200:]}")
            case Unknown(reason):
                return Counted(host.instance, None, reason)

    def _quieten(self, task: Quieten) -> Worked:
        outcome = self._installer.run(task.host, task.command, self._application.lame_duck_deadline)
        match outcome:
            case Done():
                return Worked(task, Work.DONE)
            case Failed(code, tail):
                return Worked(task, Work.FAILED, f"{task.command[0]} exited with {code}: {tail.strip()[-500:]}")
            case Unknown(reason):
                return Worked(task, Work.UNKNOWN, reason)

    def _put(self, task: PutRelease) -> Worked:
        bundle = self._bundle(task.package)
        self._installer.stage(task.host, bundle.packed)
        status = self._installer.install(task.host, self._request(task, bundle))
        return Worked(task, _work_of(status), describe(status))

    def _bundle(self, package: Package) -> Bundle:
        with self._guard:
            if package not in self._bundles:
                self._bundles[package] = open_bundle(package)
            return self._bundles[package]

    def _request(self, task: PutRelease, bundle: Bundle) -> HostRequest:
        application = self._application
        surroundings = Surroundings(
            application=application.name,
            deployment=task.deployment,
            group=application.fleet,
            instance=task.host.instance,
            zone=task.host.zone,
            batch=application.batch,
            strategy=application.strategy,
            release_from=task.release_from,
            release_to=task.package.release,
            origin=bundle.origin,
        )
        return HostRequest(bundle.packed.digest, IN_PLACE, bundle.spec, surroundings, keep=application.keep)

    def _evidence(self, host: Host) -> str:
        match self._installer.run(host, self._application.log_command, 20.0):
            case Done(output):
                return output[-MOST_EVIDENCE:].decode("utf-8", "replace")
            case Failed(code, tail):
                return f"{self._application.log_command[0]} exited with {code}: {tail}"
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
    """How a job ended, with the end of what its scripts said when it did not end well."""
    if status.state is JobState.DONE:
        return ""
    began = status.events[-1].event if status.events else "its first event"
    reason = status.error or f"it began {began}, and how it ended is not known"
    return f"{reason}\n{status.output.strip()}".strip()
