"""Runs one setup to its end: lives, takeovers, resumes, and what the witness says of all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from deployer.engine.clock import StopRequest
from deployer.engine.events import Acted, Event, Failed, Looked, Refused
from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.fleet import Release, Tag
from deployer.model.policy import Method
from deployer.sim.autoscaling import AutoGroup, group_of
from deployer.sim.crash import Fuse
from deployer.sim.faults import Fault
from deployer.sim.final import ORDERLY, check_broken, check_end, check_group, check_rest, orphans
from deployer.sim.groups import Group
from deployer.sim.jobs import Jobs
from deployer.sim.life import TTL, Life
from deployer.sim.machines import Fate, Image, Machine
from deployer.sim.mishaps import CAPACITY, Mishaps
from deployer.sim.rates import Buckets
from deployer.sim.setup import Chance, GroupSetup, Setup
from deployer.sim.shelf import TwinShelf
from deployer.sim.time import VirtualTime
from deployer.sim.witness import Violation, Witness
from deployer.sim.world import DEFAULT_TYPE, FLEET, Split, World
from deployer.state.shelved import ShelvedStore

OLD = Release("1", "digest-1", "ami-old")
NEW = Release("2", "digest-2", "ami-new")
ELDER = Release("0", "digest-0", "ami-elder")
_STARTS = {"o": OLD, "e": ELDER, "n": NEW}
_LIVES = 8
_STANDS_STILL = (Fault.HOLDER_PAUSED, Fault.THROTTLED, Fault.STOPPED_IN_CALL, Fault.STOPPED_IN_RETRY)
_LAST_WORDS = 10.0
"""Seconds that a process takes at most from its last look to its end."""
_LONGEST = 3.0e4
"""Virtual seconds after which a rollout is taken to make no progress and not to say so (promise 19)."""


@dataclass
class Outcome:
    """What came of one setup. `ends` tells how each process ended."""

    setup: Setup
    violations: list[Violation]
    ends: list[str]
    status: Status | None
    moves: Counter[str] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    calls: int = 0
    """Mutating calls made, over all lives."""
    second_changes: int = 0
    double_launches: int = 0
    orphans: tuple[str, ...] = ()
    """Instances that are alive at the end of an orderly rollout and hold no place of the fleet."""
    seconds: float = 0.0
    reason: str | None = None


@dataclass
class Twin:
    """One world with its deployer."""

    setup: Setup
    world: World
    plan: RolloutPlan
    witness: Witness
    store: ShelvedStore
    shelf: TwinShelf
    fuse: Fuse
    buckets: Buckets
    mishaps: Mishaps
    dead: set[int]
    auto: AutoGroup | None = None
    moves: Counter[str] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)
    lives: int = 0
    finished: Result | None = None
    """How the rollout ended, once its journal says that it did: `resume` has nothing to go on with then."""
    tell: Callable[[str], None] | None = None

    def run(self) -> Outcome:
        """Runs the rollout, resumed as often as its process ends before it has come to an end of its own."""
        self.mishaps.schedule()
        if self.plan.policy.min_requests:
            self.world.flow(self.setup.rate)
        result: Result | str = "never ran"
        while self.lives < _LIVES:
            result = self.live()
            if self.finished is not None:
                result = self.finished  # perhaps by whoever took over from one that has only now woken
                break
            # Whoever resumes does so after a while: from CI, or by hand.
            self.world.time.advance(self.world.random.uniform(1.0, 150.0))
            self.fuse.killed = False
        status = result.status if isinstance(result, Result) else None
        check_end(self.witness, self.world, status, self.shelf)
        return Outcome(
            setup=self.setup,
            violations=self.witness.violations,
            ends=self.ends,
            status=status,
            moves=self.moves + Counter({"Stage": self.witness.stages}),
            refusals=self.refusals,
            faults=self.world.weather.reached,
            calls=self.fuse.calls,
            double_launches=self.witness.double_launches,
            orphans=orphans(self.witness, self.world) if status in ORDERLY else (),
            second_changes=self._second_run(status),
            seconds=self.world.time.now,
            reason=result.reason if isinstance(result, Result) else None,
        )

    def next_life(self) -> Life:
        """The next process that is to work on the rollout."""
        self.lives += 1
        return Life(
            number=self.lives,
            setup=self.setup,
            plan=self.plan,
            world=self.world,
            witness=self.witness,
            store=self.store,
            fuse=self.fuse,
            buckets=self.buckets,
            watch=self._watch,
            paused=self._pause,
            stands_still=self._stand_still,
            auto=self.auto,
            stop=self.mishaps.stop,
        )

    def live(self) -> Result | str:
        """One process, from taking the lease to its end."""
        self.mishaps.stop = StopRequest(self.setup.stop_within, lambda: self.world.time.now)
        life = self.next_life()
        result = life.run()
        self.dead.add(life.number)
        self.ends.append(result.status.value if isinstance(result, Result) else result)
        if isinstance(result, Result) and result.status is not Status.INTERRUPTED:
            self.finished = result
        if isinstance(result, Result) and result.asks:
            self.witness.failures = 0  # whoever has it go on knows of them
        if isinstance(result, Result):
            self._check_in_time(life.stop)
        if isinstance(result, Result) and result.exit_code is not ExitCode.NEEDS_A_HAND and not life.abandoned:
            check_rest(self.witness, self.world, self.setup)
        if isinstance(result, Result) and not life.abandoned and self.auto is not None:
            check_group(self.witness, self.auto, result.status)
        if isinstance(result, Result) and life.broke:
            check_broken(self.witness, result, held=self.store.holder(FLEET) is not None, stop=life.stop.count)
        return result

    def _check_in_time(self, stop: StopRequest) -> None:
        """Whether the process ended within the time after a signal; one that stood still itself cannot."""
        stood_still = any(planned.fault in _STANDS_STILL for planned in self.setup.faults)
        late = self.world.time.now - stop.ends_at
        if late > self.setup.poll + _LAST_WORDS and not stood_still:
            self.witness.note(19, f"it ended {late:.0f} s later than promised after {stop.signal}")

    def _pause(self) -> None:
        """Stands still where that is due."""
        if self.world.time.now > _LONGEST:
            self.witness.note(19, f"no end after {self.world.time.now:.0f} s, and no reason given")
            self.fuse.killed = True
            self.fuse.check()
        if not self.mishaps.pause_pending:
            return
        self.mishaps.pause_pending = False
        self._stand_still()

    def _stand_still(self) -> None:
        """Stands still for longer than the lease lasts; meanwhile another process takes the rollout over."""
        self.world.time.advance(TTL + 20.0)
        stop, epoch = self.mishaps.stop, self.witness.epoch
        if self.lives < _LIVES:
            self.live()
        self.mishaps.stop = stop
        self.witness.wake(epoch)

    def _second_run(self, status: Status | None) -> int:
        """Rolls the same release out once more: how many changes that makes; there should be none (promise 9).

        What befell the fleet after the rollout's last look is mended by a run in between.
        """
        if status is not Status.SUCCEEDED:
            return 0
        self.mishaps.cease()
        self.fuse.point = None
        self.world.time.advance(300.0)
        if not self.witness.calm or not all(self.witness.shown.knows(one) for one in self.world.fleet()):
            mended = self._once_more("mended")
            if not isinstance(mended, Result) or mended.status is not Status.SUCCEEDED:
                return 0
        before, self.auto = self.fuse.calls, None  # where nothing is due, no group is prepared for it
        self._once_more("again")
        return self.fuse.calls - before

    def _once_more(self, name: str) -> Result | str:
        life = replace(
            self.next_life(),
            plan=second_plan(self.plan, self.world, name),
            witness=silent(self.witness),
            watch=lambda _event: None,
            stop=StopRequest(),
        )
        result = life.run()
        self.dead.add(life.number)
        return result

    def _watch(self, event: Event) -> None:
        self.witness.heard(event)
        if self.tell is not None and not isinstance(event, Looked):
            self.tell(f"{self.world.time.now:9.1f} s  {event}")
        match event:
            case Acted(move=move, error=""):
                self.moves[type(move).__name__] += 1
            case Failed():
                self.moves["GiveUp"] += 1
            case Refused(promise=promise):
                self.refusals[promise] += 1
            case _:
                pass


def build(setup: Setup) -> Twin:
    """A world in which the setup's fleet has been in service for long, with its deployer about to start."""
    random = Random(f"world {setup.seed}")  # noqa: S311 (not for secrets)
    chance = Chance(random)
    time = VirtualTime()
    world = World(random, lambda: Fate(pending=chance.pending(), boot=chance.boot()), time)
    world.names_release = setup.names_release
    world.images = {one.image or "": Image(one.name, one.digest) for one in _STARTS.values()}
    traffic = Random(f"connections {setup.seed}")  # noqa: S311 (not for secrets)
    world.hides = lambda: traffic.random() < setup.hidden

    def half_closes() -> bool:
        found = traffic.random() < setup.half_closed
        world.weather.reached[Fault.HALF_CLOSED] += found
        return found

    world.groups = {group.balancer.id: _group(group, time, random, half_closes) for group in setup.groups}
    if setup.split:
        old, new, *_ = world.groups
        world.split = Split(old, new, NEW.image or "", {old: 100, new: 0})
    for zone, start in zip(setup.zones, setup.mixed or "o" * len(setup.zones), strict=True):
        world.settle_in(_start(world, zone, _STARTS[start], setup))
    if setup.policy.work is not None:
        work = Random(f"jobs {setup.seed}")  # noqa: S311 (not for secrets)
        world.jobs = Jobs(work, time, setup.policy.work.longest_job)
        world.jobs.begin(world.fleet)
    _add_bystanders(world, setup.bystanders)
    plan = _plan(setup, world)
    fuse, buckets, dead = Fuse(setup.crash), Buckets(time), set[int]()
    shelf = TwinShelf(world.weather, time)
    store = ShelvedStore(shelf, gone=lambda owner: owner.pid in dead and owner.machine == "twin")
    calm = not any(planned.fault in CAPACITY for planned in setup.faults)
    witness = Witness(world, plan, shelf.epoch_in_charge, shelf.written, calm)
    time.after_event = witness.after_event
    auto = None
    if setup.grouped:
        auto = group_of(world, OLD.image or "", setup.grouped, world.fate, witness.registered_by_others)
    mishaps = Mishaps(setup, world, witness, store, fuse, buckets, chance, auto)
    shelf.torn_next = mishaps.tears
    return Twin(setup, world, plan, witness, store, shelf, fuse, buckets, mishaps, dead, auto)


def simulate(setup: Setup, tell: Callable[[str], None] | None = None) -> Outcome:
    """Runs one setup; `tell` is given a line for each thing that happens."""
    twin = build(setup)
    twin.tell = tell
    return twin.run()


def second_plan(plan: RolloutPlan, world: World, name: str) -> RolloutPlan:
    """What a later rollout of the same release would plan for the fleet as it is now."""
    slots = tuple(
        PlannedSlot(f"{name}-{n:02d}", one.zone, one.subnet, one.id, one.type, ports=_ports(world))
        for n, one in enumerate(world.fleet())
    )
    return replace(plan, rollout=f"{plan.rollout}-{name}", slots=slots)


def _ports(world: World) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The ports that the fleet's instances are registered with, where they are not the balancer's own."""
    return tuple((ident, group.ports) for ident, group in world.groups.items() if group.ports)


def silent(witness: Witness) -> Witness:
    """A witness for a rollout that is only counted."""
    return Witness(witness.world, witness.plan, witness.in_charge, witness.journal, calm=False)


def _start(world: World, zone: str, release: Release, setup: Setup) -> Machine:
    """An instance of before. In place everybody has the first image, and the others had theirs installed on it."""
    if release is OLD or setup.policy.method is Method.RELAUNCH:
        return world.add(zone=zone, image=release.image or "", tags={Tag.FLEET: FLEET})
    machine = world.add(zone=zone, image=OLD.image or "", tags={Tag.FLEET: FLEET, Tag.IN_PLACE: release.name})
    machine.marker = release.digest
    return machine


def _plan(setup: Setup, world: World) -> RolloutPlan:
    own = [_STARTS[start] for start in setup.mixed or "o" * len(setup.zones)]
    slots = tuple(
        PlannedSlot(
            f"slot-{n:02d}",
            one.zone,
            one.subnet,
            one.id,
            one.type,
            ports=_ports(world),
            before=before if before is not OLD else None,
        )
        for n, (one, before) in enumerate(zip(world.machines.values(), own, strict=True), 1)
    )
    return RolloutPlan(
        rollout=f"r-{setup.seed}",
        fleet=FLEET,
        strategy=setup.strategy,
        strategy_settings={},
        previous=replace(OLD, instance_type=DEFAULT_TYPE) if setup.new_type else OLD,
        goal=replace(OLD, instance_type=setup.new_type) if setup.new_type else NEW,
        limits=setup.limits,
        policy=setup.policy,
        balancers=tuple(group.balancer for group in setup.groups),
        slots=slots,
        sides=(world.split.old, world.split.new) if world.split is not None else None,
    )


def _group(setup: GroupSetup, time: VirtualTime, random: Random, half_closes: Callable[[], bool]) -> Group:
    def linger() -> float:
        if random.random() < setup.long_connections:
            return setup.balancer.deregistration_delay * random.uniform(0.5, 2.0)
        return random.uniform(0.1, 4.0)

    return Group(
        setup.balancer,
        time,
        random,
        lag=setup.lag,
        healthy_threshold=setup.healthy_threshold,
        unhealthy_threshold=setup.unhealthy_threshold,
        linger=linger,
        ports=setup.ports,
        half_closes=half_closes,
    )


def _add_bystanders(world: World, number: int) -> None:
    """Instances of somebody else's, registered with the same balancers."""
    for _ in range(number):
        machine = world.add(zone="a", image=OLD.image or "", tags={"Service": "other"})
        world.settle_in(machine)
        del world.machines[machine.id]
        world.bystanders[machine.id] = machine
