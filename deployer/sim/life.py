"""One process of the deployer in the twin: from taking the lease to its end, orderly or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.engine.clock import StopRequest
from deployer.engine.events import Event
from deployer.engine.fence import Fence
from deployer.engine.loop import Decides
from deployer.engine.memory import Memory
from deployer.engine.patience import Patience, PatientJournal, PatientLease
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Clock, Journal, Lease, Record
from deployer.engine.replay import pinned_plan, replay
from deployer.engine.result import Result
from deployer.model.errors import AwsError, FleetHeld, LeaseLost, StateUnavailable
from deployer.model.hosts import Package
from deployer.rollout.group.footing import Footing, GroupFooting
from deployer.rollout.group.pre_scaling import Waiting
from deployer.rollout.run import Run
from deployer.sim.autoscaling import AutoGroup
from deployer.sim.broken_strategy import BrokenStrategy
from deployer.sim.cloud import SimCloud
from deployer.sim.crash import Fuse, Killed
from deployer.sim.group_door import SimGroup, SimSources
from deployer.sim.hooks import SimHooks
from deployer.sim.hosts import SimHosts
from deployer.sim.rates import Buckets
from deployer.sim.setup import Setup
from deployer.sim.witness import Witness
from deployer.sim.world import FLEET, World
from deployer.state.owner import Owner
from deployer.state.shelved import ShelvedStore

TTL = 60.0


@dataclass
class SimClock:
    """Virtual time as one process sees it. `paused` is asked at each sleep, and may let the process stand still."""

    world: World
    fuse: Fuse
    stop: StopRequest
    paused: Callable[[], None]

    def now(self) -> float:
        """Monotonic seconds."""
        return self.world.time.now

    def wall(self) -> float:
        """Unix seconds."""
        return self.world.time.wall_offset + self.world.time.now

    def sleep(self, seconds: float) -> None:
        """Lets time pass; ends early when a stop is asked for."""
        asked = self.stop.count
        self.world.time.advance(seconds, lambda: self.stop.count > asked or self.fuse.killed)
        self.fuse.check()
        self.paused()


@dataclass
class FragileJournal:
    """A journal whose process may end before a record is written."""

    journal: Journal
    fuse: Fuse

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        """Writes one record, unless the process ends first."""
        self.fuse.about_to_record()
        return self.journal.append(kind, subject, data)

    def records(self) -> tuple[Record, ...]:
        """All records."""
        return tuple(self.journal.records())


@dataclass
class Life:
    """One process. `number` tells it from the others that work on the same rollout."""

    number: int
    setup: Setup
    plan: RolloutPlan
    world: World
    witness: Witness
    store: ShelvedStore
    fuse: Fuse
    buckets: Buckets
    watch: Callable[[Event], None]
    paused: Callable[[], None]
    stands_still: Callable[[], None]
    auto: AutoGroup | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    broke: bool = False
    """Whether the strategy has broken in this life."""
    abandoned: bool = False
    """Whether it left things as they were, for `resume`."""
    fence: Fence = field(default_factory=Fence)

    @property
    def owner(self) -> Owner:
        """Who holds the lease in this life."""
        return Owner("twin", "here", "twin", self.number, str(self.number))

    def clock(self) -> SimClock:
        """Time as this process sees it."""
        return SimClock(self.world, self.fuse, self.stop, self.paused)

    def run(self) -> Result | str:
        """Takes the fleet and works on the rollout: its result, or why the process ended without one."""
        clock = self.clock()
        try:
            lease = self.store.acquire(FLEET, self.owner, "twin", self.plan.rollout, TTL, clock)
            self.fence.stand_on(lease)
            self.witness.new_life(lease.epoch)
            journal = FragileJournal(self.store.open_rollout(FLEET, self.plan.rollout, lease, clock), self.fuse)
            patience = Patience(clock, self.stop, self.watch, self.plan.policy.deadlines.progress)
            result = self._work(clock, PatientJournal(journal, patience), PatientLease(lease, patience))
            if not self.abandoned:
                lease.release()
        except Killed:
            return "killed"
        except (AwsError, FleetHeld, LeaseLost, StateUnavailable) as error:
            return f"{type(error).__name__}: {error}"
        return result

    def _work(self, clock: Clock, journal: Journal, lease: Lease) -> Result:
        pinned = pinned_plan(journal.records())
        if pinned is None:
            pinned, memory = self.plan, Memory(self.plan.goal, self.plan.previous)
            journal.append("plan", FLEET, {"plan": pinned.to_json()})
        else:
            memory = replay(journal.records(), pinned, clock.now())
        ground = self._footing(clock, journal, lease, pinned, rolling_back=memory.rolling_back)
        run = Run(
            plan=pinned,
            memory=memory,
            strategy=self._strategy(),
            cloud=ground.cloud,
            hosts=SimHosts(self.world, self.witness, self.fuse, self.fence, self.stands_still),
            hooks=SimHooks(self.world, self.witness, self.fuse, self.setup.hooked),
            journal=journal,
            lease=lease,
            clock=clock,
            watch=self.watch,
            package=self._package,
            stop=self.stop,
            conclude=ground.conclude,
            poll=self.setup.poll,
        )
        result = run.go(lambda: ({}, 0))
        self.abandoned = run.abandoned
        return result

    def _strategy(self) -> Decides:
        """The setup's strategy, which may break once this process has asked it often enough."""
        made, breaks = self.setup.make_strategy(), self.setup.breaks
        return made if breaks is None else BrokenStrategy(made, breaks, self._broke)

    def _broke(self) -> None:
        self.broke = True

    def _footing(
        self, clock: Clock, journal: Journal, lease: Lease, plan: RolloutPlan, *, rolling_back: bool
    ) -> Footing:
        cloud = SimCloud(
            self.world, self.witness, self.fuse, self.buckets, fence=self.fence, stands_still=self.stands_still
        )
        if self.auto is None:
            return Footing(cloud)
        sources = SimSources(cloud, self.auto)
        ground = GroupFooting(SimGroup(cloud, self.auto), cloud, plan, journal, lease, sources)
        ground.prepare(Waiting(clock, lease.heartbeat, self.stop), rolling_back=rolling_back)
        return ground

    def _package(self, release: str) -> Package | None:
        own = (slot.before for slot in self.plan.slots if slot.before is not None)
        for known in (self.plan.goal, self.plan.previous, *own):
            if known.name == release:
                return Package(known.name, known.digest, Path("/twin") / f"{known.name}.tar.gz")
        return None
