"""The engine's host work: a bounded pool that asks, counts, quietens, installs and gathers evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from deployer.model.hosts import (
    Answered,
    Ask,
    Count,
    Counted,
    CountJobs,
    CountRequests,
    Evidence,
    GatherEvidence,
    Host,
    HostReport,
    HostTask,
    Jobs,
    PutRelease,
    Quieten,
    Requests,
    StageRelease,
    TellWorker,
    Worked,
)
from deployer.model.observation import Answer, Work
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError
from deployer.remote.install import Installer
from deployer.remote.pool import Pool
from deployer.remote.work import Application, HostWork


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
        patience: Callable[[], float] = lambda: 30.0,
        jobs: Callable[[Host], int] | None = None,
    ) -> None:
        """`clock` gives the time of answers; `patience` tells how long `close` may wait, in seconds; `jobs` tells
        how many a worker has, and raises RemoteError."""
        self._door = door
        self._jobs = jobs
        self.work = HostWork(door, installer, application, clock)
        """The work itself, for those who wait for it in a thread of their own."""
        self._clock = clock
        self._patience = patience
        self._quick: Pool[HostTask, HostReport] = Pool(workers, self._work, self._failed, "ask")
        self._slow: Pool[HostTask, HostReport] = Pool(workers, self._work, self._failed, "install")

    def submit(self, task: HostTask) -> None:
        """See `Hosts`."""
        pool = self._slow if isinstance(task, StageRelease | PutRelease | GatherEvidence) else self._quick
        pool.submit(task)

    def reports(self) -> Sequence[HostReport]:
        """See `Hosts`."""
        return (*self._quick.reports(), *self._slow.reports())

    def busy(self, instance: str) -> bool:
        """See `Hosts`."""
        return any(task.host.instance == instance for task in self._quick.pending() | self._slow.pending())

    def close(self) -> None:
        """See `Hosts`. An installation that goes on runs to its end on its host, which knows how it ended."""
        patience = self._patience()
        end = time.monotonic() + patience
        self._quick.close(patience)
        self._slow.close(max(0.0, end - time.monotonic()))
        self._door.close()

    def _work(self, task: HostTask) -> HostReport:
        work = self.work
        match task:
            case Ask(host):
                return Answered(host.instance, work.answer(host))
            case Count(host, ports, unproven):
                asked_at = self._clock()
                found = work.connections(host, ports, unproven)
                return Counted(host.instance, found.open, asked_at, shown=found.shown)
            case CountRequests(host):
                return Requests(host.instance, work.requests(host))
            case CountJobs(host):
                asked_at = self._clock()
                return Jobs(host.instance, self._count_jobs(host), asked_at)
            case Quieten(host, command) | TellWorker(host, _, command):
                ended = work.quieten(host, command)
            case StageRelease(host, package):
                work.stage(host, package)
                return Worked(task, Work.DONE)
            case PutRelease(host, package, deployment, release_from, passes_over):
                ended = work.install(host, package, deployment, release_from, ignore_stop_failures=passes_over)
            case GatherEvidence(host):
                return Evidence(host.instance, work.evidence(host))
        return Worked(task, ended.work, ended.detail, ended.harmless)

    def _count_jobs(self, host: Host) -> int:
        if self._jobs is None:
            raise RemoteError(f"{host.instance}: nothing says how many jobs it has")
        return self._jobs(host)

    def _failed(self, task: HostTask, problem: Exception) -> HostReport:
        """The report of a task that raised; an error that is not ours is named by its type."""
        detail = str(problem) if isinstance(problem, RemoteError) else f"{type(problem).__name__}: {problem}"
        match task:
            case Ask(host):
                return Answered(host.instance, Answer(ok=False, at=self._clock(), detail=detail, heard=False))
            case Count(host):
                return Counted(host.instance, None, self._clock(), detail)
            case CountRequests(host):
                return Requests(host.instance, None, detail)
            case CountJobs(host):
                return Jobs(host.instance, None, self._clock(), detail)
            case Quieten() | TellWorker() | StageRelease() | PutRelease():
                return Worked(task, Work.FAILED, detail)
            case GatherEvidence(host):
                return Evidence(host.instance, detail)


__all__ = ["Application", "SshHosts"]
