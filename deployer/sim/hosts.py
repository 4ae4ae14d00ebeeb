"""The twin's hosts, as one process of the deployer sees them through the engine's port."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from deployer.engine.fence import Fence
from deployer.model.errors import DeployerError
from deployer.model.hosts import (
    Answered,
    Ask,
    Count,
    Counted,
    CountJobs,
    CountRequests,
    Evidence,
    GatherEvidence,
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
from deployer.model.observation import Answer, Proof, Work
from deployer.model.policy import Method
from deployer.model.share import Order
from deployer.remote.sockets import read_sockets
from deployer.sim.crash import Fuse
from deployer.sim.faults import Fault
from deployer.sim.groups import Socket
from deployer.sim.machines import APP_PORT, Machine
from deployer.sim.witness import Witness
from deployer.sim.world import WRONG, World

_HANG = 20.0
"""Seconds after which a host that hangs is given up on by the pool."""


@dataclass
class SimHosts:
    """Implements `deployer.engine.ports.Hosts`. What runs on a host goes on when the process ends."""

    world: World
    witness: Witness
    fuse: Fuse
    fence: Fence = field(default_factory=Fence)
    stands_still: Callable[[], None] = lambda: None
    """Lets the process stand still for longer than its lease lasts, as SIGSTOP does."""
    _running: list[HostTask] = field(default_factory=list)
    _finished: list[HostReport] = field(default_factory=list)

    def submit(self, task: HostTask) -> None:
        """Queues a task; one that is under way already is dropped."""
        if task in self._running:
            return
        if isinstance(task, PutRelease | StageRelease | Quieten | TellWorker) and not self._may_send(task):
            return
        if isinstance(task, PutRelease):
            self._install(task)
            return
        if isinstance(task, StageRelease | Quieten | TellWorker):
            self.fuse.about_to_call()
        self._tell_witness(task)
        self._running.append(task)
        hangs = self.world.weather.lasts(Fault.HOST_HANGS, self.world.time.now)
        wait = _HANG if hangs else self.world.random.uniform(0.05, 0.8)
        self.world.time.after(wait, lambda: self._finish(task, self._outcome(task, hangs=hangs)))
        if isinstance(task, StageRelease | Quieten | TellWorker):
            self.fuse.applied()

    def _tell_witness(self, task: HostTask) -> None:
        """A worker's leaving shows at no balancer."""
        match task:
            case Quieten(host=host) if not self.world.groups and self.world.jobs is None:
                self.witness.withdrawing(self.world.machines[host.instance])
            case TellWorker(host=host, order=Order.STOP):
                self.witness.withdrawing(self.world.machines[host.instance])
            case _:
                pass

    def _may_send(self, task: PutRelease | StageRelease | Quieten | TellWorker) -> bool:
        """As the door to hosts asks, in a thread of its pool: what may not be sent comes back as a failure."""
        if self.world.weather.strikes(Fault.STOPPED_IN_CALL):
            self.stands_still()
        try:
            self.fence.check()
        except DeployerError as lost:
            self._finished.append(Worked(task, Work.FAILED, str(lost)))
            return False
        self.witness.sending()
        return True

    def reports(self) -> Sequence[HostReport]:
        """What has finished since the last call."""
        self.fuse.check()
        finished, self._finished = self._finished, []
        for report in finished:
            if isinstance(report, Answered):
                self.witness.answered_health(report)
        return finished

    def busy(self, instance: str) -> bool:
        """Whether any task of that instance is under way."""
        return any(task.host.instance == instance for task in self._running)

    def close(self) -> None:
        """Takes no more work."""
        self._running.clear()

    def _finish(self, task: HostTask, report: HostReport) -> None:
        if task in self._running:
            self._running.remove(task)
            self._finished.append(report)

    def _outcome(self, task: HostTask, *, hangs: bool) -> HostReport:
        """What a task finds at the moment it ends."""
        machine = self.world.machines[task.host.instance]
        dead = hangs or not machine.running
        match task:
            case Ask():
                return Answered(machine.id, self._answer(machine, dead=dead))
            case Count(ports=ports, unproven=unproven):
                return self._counted(machine, ports, unproven, dead=dead)
            case CountRequests():
                return Requests(machine.id, None if dead else int(machine.served), "no answer" if dead else "")
            case CountJobs():
                return self._counted_jobs(machine, dead=dead)
            case GatherEvidence():
                return Evidence(machine.id, self.world.said_by_hosts())
            case Quieten() | TellWorker() | StageRelease() | PutRelease():
                return self._work(machine, task, dead=dead)

    def _work(
        self, machine: Machine, task: Quieten | TellWorker | StageRelease | PutRelease, *, dead: bool
    ) -> Worked:
        match task:
            case Quieten():
                if not dead:
                    self._quieten(machine)
                return Worked(task, Work.FAILED if dead else Work.DONE)
            case TellWorker(order=order):
                if not dead:
                    self._told(machine, order)
                return Worked(task, Work.UNKNOWN if dead else Work.DONE, "it hangs" if dead else "")
            case StageRelease():
                self.witness.stages += 1
                if self.world.weather.strikes(Fault.BUNDLE_DIFFERS):
                    return Worked(task, Work.FAILED, "the bundle's digest differs from the one that was planned")
                return Worked(task, Work.UNKNOWN if dead else Work.DONE)
            case PutRelease():
                return Worked(task, Work.UNKNOWN)

    def _quieten(self, machine: Machine) -> None:
        """It lets its connections go; a worker takes no more work."""
        for group in self.world.groups.values():
            group.quieten(machine)
        if not self.world.groups:
            machine.lame_duck = machine.app.version

    def _told(self, machine: Machine, order: Order) -> None:
        machine.lame_duck = machine.app.version if order is Order.STOP else None
        self.world.time.changes += 1
        if order is Order.TAKE:
            self.witness.shown.told.discard(machine.id)

    def _counted_jobs(self, machine: Machine, *, dead: bool) -> Jobs:
        now, jobs = self.world.time.now, self.world.jobs
        if dead or jobs is None or self.world.weather.lasts(Fault.JOBS_UNKNOWN, now):
            return Jobs(machine.id, None, now, "nobody tells")
        return Jobs(machine.id, jobs.of(machine), now)

    def _counted(
        self, machine: Machine, ports: Collection[int], unproven: Collection[int], *, dead: bool
    ) -> Counted:
        """What its socket table says, read as a real one is. Knocked at, an application that runs shows it."""
        now = self.world.time.now
        if dead:
            return Counted(machine.id, None, now, "it hangs")
        sockets = self.world.sockets(machine)
        found = read_sockets(socket_table(machine.address, sockets), [machine.address], {*ports, APP_PORT})
        answers = machine.app.answers and not machine.hides
        return Counted(machine.id, found.open, now, shown=found.shown | frozenset(unproven if answers else ()))

    def _answer(self, machine: Machine, *, dead: bool) -> Answer:
        now = self.world.time.now
        if dead or not machine.healthy:
            return Answer(ok=False, at=now, detail="no answer" if dead else "connection refused", heard=not dead)
        if self.world.names_release:
            return Answer(ok=True, at=now, release=machine.app.release)
        if self.witness.plan.policy.method is Method.RELAUNCH:
            return Answer(ok=True, at=now, proof=Proof.IMAGE)
        return Answer(ok=True, at=now, proof=Proof.MARKER, digest=machine.marker)

    # -- installing ----------------------------------------------------------------------------------

    def _install(self, task: PutRelease) -> None:
        """Installs a release: the application is down meanwhile, and the old release stays whole until the end."""
        machine = self.world.machines[task.host.instance]
        self.fuse.about_to_call()
        self.witness.updating(machine)
        self._running.append(task)
        seconds = self.world.random.uniform(3.0, 12.0)
        if self.world.weather.lasts(Fault.HOST_HANGS, self.world.time.now) or not machine.running:
            report = Worked(task, Work.UNKNOWN, "the connection could not be made in time")
            self.world.time.after(_HANG, lambda: self._finish(task, report))
        else:
            self._change(machine, task, seconds)
        self.fuse.applied()

    def _change(self, machine: Machine, task: PutRelease, seconds: float) -> None:
        marker = (task.package.digest, task.deployment)
        if marker in machine.installed and machine.app.digest == task.package.digest:
            self.world.time.after(1.0, lambda: self._finish(task, Worked(task, Work.DONE)))
            return
        before = (machine.app.release or "", machine.app.digest)
        machine.marker = None
        self.world.stop_serving(machine)
        full = self.world.weather.strikes(Fault.DISK_FULL)
        dropped = self.world.weather.strikes(Fault.CONNECTION_DROPS)
        applied = not full and (not dropped or self.world.random.random() < 0.5)
        self.world.time.after(seconds, lambda: self._installed(machine, task, before, applied=applied))
        if full:
            said = f"no space left on device; {self.world.said_by_hosts()}"
            report = Worked(task, Work.FAILED, said, harmless=True)
        elif dropped:
            report = Worked(task, Work.UNKNOWN, "the connection was lost")
        else:
            report = Worked(task, Work.DONE)
        self.world.time.after(seconds + 0.1, lambda: self._finish(task, report))

    def _installed(self, machine: Machine, task: PutRelease, before: tuple[str, str], *, applied: bool) -> None:
        if not machine.running:
            return
        fate = self.world.updated_fate()
        if applied:
            machine.installed.add((task.package.digest, task.deployment))
            machine.marker = task.package.digest if fate.release is None else WRONG.digest
            self.world.serve(machine, task.package.release, task.package.digest, fate)
        else:
            fate.release, fate.never_answers = None, False
            self.world.serve(machine, *before, fate)


def socket_table(address: str, sockets: Sequence[Socket]) -> str:
    """`/proc/net/tcp` with these sockets."""
    local = "".join(f"{int(part):02X}" for part in reversed(address.split(".")))
    return "".join(
        f"{n:4}: {local}:{one.port:04X} 0200090A:{40000 + n:04X} {one.state:02X} 00000000:00000000\n"
        for n, one in enumerate(sockets)
    )
