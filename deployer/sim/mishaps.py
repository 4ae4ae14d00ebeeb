"""Sets the faults of a schedule off: what befalls the fleet, the calls, the process or the state store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.engine.clock import StopRequest
from deployer.model.errors import FleetHeld, StateUnavailable
from deployer.model.fleet import Tag, TargetState
from deployer.sim.autoscaling import AutoGroup
from deployer.sim.crash import Fuse
from deployer.sim.faults import NEXT, WINDOWS, Fault, Planned
from deployer.sim.life import TTL, SimClock
from deployer.sim.machines import Fate, Machine
from deployer.sim.rates import Buckets
from deployer.sim.setup import Chance, Setup
from deployer.sim.witness import Witness
from deployer.sim.world import FLEET, World
from deployer.state.owner import Owner
from deployer.state.shelved import ShelvedStore

CAPACITY = frozenset(
    {
        Fault.DIES_DRAINING,
        Fault.FLAPS,
        Fault.SICK_LATER,
        Fault.ALL_UNHEALTHY,
        Fault.UNRELATED_DEATH,
        Fault.GROUP_REPLACES,
        Fault.SCALE_IN,
        Fault.SPOT_NOTICE,
        Fault.OPERATOR_DETACHES,
        Fault.NEVER_HEALTHY,
        Fault.WRONG_RELEASE,
        Fault.DISK_FULL,
        Fault.CONNECTION_DROPS,
    }
)
"""Faults that take instances out of service, so that the floor may really be undercut by no fault of ours."""


@dataclass
class Mishaps:
    """Carries a schedule of faults out on one world."""

    setup: Setup
    world: World
    witness: Witness
    store: ShelvedStore
    fuse: Fuse
    buckets: Buckets
    chance: Chance
    auto: AutoGroup | None = None
    stop: StopRequest = field(default_factory=StopRequest)
    """Of the process that runs now."""
    over: bool = False
    """Nothing more befalls this world."""
    pause_pending: bool = False
    tear_pending: bool = False

    def schedule(self) -> None:
        """Puts every fault of the setup in the world's queue."""
        for planned in self.setup.faults:
            self.world.time.after(planned.at, self._starter(planned))

    def cease(self) -> None:
        """From now on the weather is fair: what waits to befall the next call or launch is called off too."""
        self.over = True
        self.world.weather.armed.clear()

    def _starter(self, planned: Planned) -> Callable[[], None]:
        return lambda: self._start(planned)

    def _start(self, planned: Planned) -> None:
        fault, weather = planned.fault, self.world.weather
        if self.over:
            return
        if fault in NEXT:
            weather.armed[fault] += 1
        elif fault in WINDOWS:
            weather.until[fault] = self.world.time.now + planned.seconds
            self._window(fault, planned.seconds)
        else:
            happened = self._happen(fault)
            weather.reached[fault] += happened

    def _window(self, fault: Fault, seconds: float) -> None:
        if fault is Fault.THROTTLED:
            self.buckets.empty()
        elif fault is Fault.ALL_UNHEALTHY and self.world.groups:
            self.world.weather.reached[fault] += 1
            self._break_checks(broken=True)
            self.world.time.after(seconds, lambda: self._break_checks(broken=False))

    def _break_checks(self, *, broken: bool) -> None:
        for group in self.world.groups.values():
            group.broken = broken
            group.check_all()

    def _happen(self, fault: Fault) -> bool:
        """Faults that are over in a moment; whether this one had anything to befall."""
        match fault:
            case Fault.UNRELATED_DEATH | Fault.SPOT_NOTICE | Fault.SCALE_IN | Fault.GROUP_REPLACES:
                return self._lose_one(fault)
            case Fault.SCALE_OUT:
                return self._gain_one()
            case Fault.OPERATOR_DETACHES:
                return self._detach_one()
            case Fault.ROLLBACK_TARGET_GONE:
                self.world.gone_images.add(self.witness.plan.previous.image or "")
                return True
            case Fault.WALL_CLOCK_JUMPS:
                self.world.time.wall_offset += self.world.random.choice((-7200.0, -90.0, 90.0, 7200.0))
                return True
            case _:
                return self._befall_process(fault)

    # -- the fleet -----------------------------------------------------------------------------------

    def _victim(self) -> Machine | None:
        candidates = sorted((one for one in self.world.fleet() if one.running), key=lambda one: one.id)
        return self.world.random.choice(candidates) if candidates else None

    def _lose_one(self, fault: Fault) -> bool:
        machine = self._victim()
        if machine is None:
            return False
        self.witness.touched[machine.id] = self.world.time.now
        if self.auto is not None and fault is Fault.SCALE_IN:
            return self.auto.scale_in(machine)
        if fault is Fault.SCALE_IN:
            for group in self.world.groups.values():
                group.deregister(machine)
        notice = {Fault.SPOT_NOTICE: 120.0, Fault.SCALE_IN: 20.0}.get(fault, 0.0)
        self.world.time.after(notice, lambda: self.world.end(machine, lost=True))
        if fault is Fault.GROUP_REPLACES and self.auto is None:
            self.world.time.after(self.world.random.uniform(5.0, 40.0), lambda: self._join(machine.zone))
        return True

    def _gain_one(self) -> bool:
        if self.auto is not None:
            return self.auto.scale_out()
        self._join(self.world.random.choice(sorted(set(self.setup.zones))))
        return True

    def _join(self, zone: str) -> None:
        """The autoscaler launches one from the image it knows, and registers it."""
        image = self.witness.plan.previous.image or ""
        if image in self.world.gone_images:
            return
        machine = self.world.add(zone=zone, image=image, tags={Tag.FLEET: FLEET})
        machine.foreign = True
        self.world.start(machine, Fate(pending=self.chance.pending(), boot=self.chance.boot()))
        self.world.time.after(machine.fate.pending + 1.0, lambda: self._register(machine))

    def _register(self, machine: Machine) -> None:
        if machine.running:
            for group in self.world.homes(machine):
                group.register(machine)
            self.witness.registered_by_others(machine)

    def _detach_one(self) -> bool:
        machine = self._victim()
        if machine is None or not self.world.groups:
            return False
        group = self.world.random.choice(self.world.homes(machine))
        member = group.members.get(machine.id)
        if member is None or member.state is TargetState.DRAINING:
            return False
        self.witness.touched[machine.id] = self.world.time.now
        group.deregister(machine)
        return True

    # -- the process ---------------------------------------------------------------------------------

    def tears(self) -> bool:
        """Whether the process dies within the write that begins now."""
        torn, self.tear_pending = self.tear_pending, False
        return torn

    def _befall_process(self, fault: Fault) -> bool:
        match fault:
            case Fault.SIGNALS:
                self._signal()
            case Fault.CI_CANCELS:
                self.stop.ask("SIGTERM")
                self.world.time.after(10.0, self._kill)
            case Fault.JOURNAL_TORN:
                self.tear_pending = True
            case Fault.LEASE_LOST:
                return self._unlock()
            case Fault.HOLDER_PAUSED:
                self.pause_pending = True
            case Fault.SECOND_ROLLOUT:
                return self._second_rollout()
            case _:
                raise AssertionError(f"nothing sets {fault} off")
        return True

    def _signal(self) -> None:
        """SIGINT, now and then a second one; or SIGKILL."""
        drawn = self.world.random.random()
        if drawn > 0.75:
            self._kill()
            return
        self.stop.ask("SIGINT")
        if drawn < 0.3:
            self.world.time.after(self.world.random.uniform(0.0, 20.0), lambda: self.stop.ask("SIGINT"))

    def _unlock(self) -> bool:
        """Somebody breaks the lease of a living holder."""
        try:
            return self.store.break_lease(FLEET) is not None
        except StateUnavailable:
            return False

    def _kill(self) -> None:
        self.fuse.killed = True

    def _second_rollout(self) -> bool:
        """Somebody else starts a rollout: refused, and told who holds the fleet (promise 5)."""
        other = Owner("other", "elsewhere", "elsewhere", 1, "1")
        clock = SimClock(self.world, Fuse(), StopRequest(), lambda: None)
        try:
            if self.store.holder(FLEET) is None:
                return False
            self.store.acquire(FLEET, other, "another release", "r-other", TTL, clock)
        except FleetHeld:
            return True
        except StateUnavailable:
            return False
        self.witness.note(5, "a second rollout was given the fleet while the first held it")
        return True
