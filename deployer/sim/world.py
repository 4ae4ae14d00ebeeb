"""The simulated world: a fleet, its balancers, bystanders of somebody else's, and what happens to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from deployer.engine.ports import LaunchOrder
from deployer.model.fleet import InstanceState, Tag, TargetState, is_apart
from deployer.sim.faults import Fault, Weather
from deployer.sim.groups import Group, Socket
from deployer.sim.jobs import Jobs
from deployer.sim.machines import Fate, Image, Machine
from deployer.sim.time import History, VirtualTime

FLEET = "web"
_FLOW = 2.0
"""Seconds between two counts of the requests that everybody has answered."""
DEFAULT_TYPE = "m5.large"
"""The instance type that the fleet has had for long."""
WRONG, WRONG_IMAGE = Image("0-wrong", "digest-wrong"), "ami-wrong"
"""A release that nobody asked for, and the image that it comes in."""
SECRET = "password=hunter2-of-the-twin"
"""Stands in every text that comes from a host; it must reach no journal and no tag (promise 17)."""


@dataclass
class Split:
    """A listener that splits its traffic between two target groups: that of what was there, that of the new."""

    old: str
    new: str
    image: str
    """What runs it belongs to the new side, everything else to the old one."""
    weights: dict[str, int]

    def other_side(self, image: str) -> str:
        """The target group that an instance of this image has no business in."""
        return self.old if image == self.image else self.new


@dataclass
class World:
    """Everything that is really there. `fate` draws how a new instance turns out."""

    random: Random
    fate: Callable[[], Fate]
    time: VirtualTime = field(default_factory=VirtualTime)
    weather: Weather = field(default_factory=Weather)
    images: dict[str, Image] = field(default_factory=dict)
    gone_images: set[str] = field(default_factory=set)
    """Deregistered: nothing can be launched from them any more."""
    groups: dict[str, Group] = field(default_factory=dict)
    split: Split | None = None
    machines: dict[str, Machine] = field(default_factory=dict)
    bystanders: dict[str, Machine] = field(default_factory=dict)
    by_token: dict[str, Machine] = field(default_factory=dict)
    hides: Callable[[], bool] = lambda: False
    """Draws whether the host of a new instance shows its connections."""
    jobs: Jobs | None = None
    """What workers do; None for a fleet that fetches no work."""
    names_release: bool = True
    """Whether the application names its release when it is asked for its health."""
    launch_lag: float = 1.0
    """The longest that a new instance may take to show in describes, in seconds."""
    when_ended: Callable[[], None] = lambda: None
    """Called when an instance has ended."""
    shown_until: dict[str, float] = field(default_factory=dict)
    """The latest moment that was shown of each thing: answers never go back behind it."""
    _numbers: int = 0

    # -- what anybody may do -------------------------------------------------------------------------

    def add(
        self, *, zone: str, image: str, tags: Mapping[str, str], token: str = "", kind: str = DEFAULT_TYPE
    ) -> Machine:
        """A new instance, pending, not booted. It shows in describes after a moment."""
        self._numbers += 1
        now = self.time.now
        machine = Machine(
            id=f"i-{self._numbers:04d}",
            state=InstanceState.PENDING,
            zone=zone,
            subnet=f"subnet-{zone}",
            image=image,
            type=kind,
            address=f"10.0.{self._numbers // 250}.{self._numbers % 250}",
            tags=dict(tags),
            token=token,
            launched_at=now,
            history=History(now, None),
            hides=self.hides(),
        )
        self.machines[machine.id] = machine
        return machine

    def settle_in(self, machine: Machine) -> None:
        """Makes it an instance that has been in service for long, everywhere."""
        machine.launched_at -= 1e5
        installed = machine.tags.get(Tag.IN_PLACE)
        named = (one for one in self.images.values() if one.release == installed)
        image = next(named, self.images[machine.image])
        machine.state = InstanceState.RUNNING
        machine.app.release, machine.app.digest, machine.app.answers = image.release, image.digest, True
        machine.history = History(-1e6, machine.shown(self.time.wall_offset))
        for group in self.homes(machine):
            group.join_healthy(machine)

    def launch(self, order: LaunchOrder) -> Machine:
        """RunInstances of one: the same token gives the same instance again."""
        if order.token in self.by_token:
            return self.by_token[order.token]
        machine = self.add(
            zone=order.zone,
            image=order.image,
            tags=order.tags,
            token=order.token,
            kind=order.instance_type or DEFAULT_TYPE,
        )
        self.by_token[order.token] = machine
        self.start(machine, self._drawn_fate())
        return machine

    def start(self, machine: Machine, fate: Fate) -> None:
        """Lets a new instance run its course: pending, running, booted."""
        machine.fate = fate
        lag = self.random.uniform(0.0, self.launch_lag)
        if self.weather.lasts(Fault.NOT_FOUND_AFTER_CREATE, self.time.now):
            lag += self.random.uniform(5.0, 20.0)
        self.time.after(lag, lambda: self._show(machine))
        self.time.after(max(lag, fate.pending), lambda: self._run(machine))

    def end(self, machine: Machine, *, lost: bool) -> None:
        """TerminateInstances, or whatever else ends an instance. `lost`: not by the deployer."""
        if not machine.state.alive:
            return
        machine.lost = machine.lost or lost
        machine.app.answers = False
        machine.app.version += 1
        self._cut_off_jobs(machine)
        self._set_state(machine, InstanceState.SHUTTING_DOWN)
        for group in self.groups.values():
            group.health_changed(machine)
            group.machine_ended(machine)
        self.when_ended()
        delay = self.random.uniform(1.0, 10.0)
        self.time.after(delay, lambda: self._set_state(machine, InstanceState.TERMINATED))

    def set_aside(self, machine: Machine, tags: Mapping[str, str]) -> None:
        """Marks it as kept apart. It runs on, whatever it does: nobody sends it anything."""
        self.tag(machine, tags)
        self.random.uniform(1.0, 10.0)  # as ending it would: what follows is the same whichever was asked for

    def tag(self, machine: Machine, tags: Mapping[str, str]) -> None:
        """CreateTags."""
        machine.tags = {**machine.tags, **tags}
        self._show(machine)

    def serve(self, machine: Machine, release: str, digest: str, fate: Fate) -> None:
        """Starts a release on an instance: it answers after its boot time, as its fate has it."""
        app = machine.app
        app.version += 1
        version = app.version
        app.release, app.digest, app.answers = fate.release or release, digest, False
        machine.fate, machine.served = fate, 0.0
        self.time.changes += 1
        if fate.never_answers:
            return
        self.time.after(fate.boot, lambda: self._answer(machine, version, True))
        after = fate.boot
        for _ in range(fate.flaps):
            after += self.random.uniform(5.0, 30.0)
            self.time.after(after, lambda: self._answer(machine, version, False))
            after += self.random.uniform(3.0, 25.0)
            self.time.after(after, lambda: self._answer(machine, version, True))
        if fate.sick_after is not None:
            self.time.after(fate.boot + fate.sick_after, lambda: self._answer(machine, version, False))

    def stop_serving(self, machine: Machine) -> None:
        """The application is stopped, for an update."""
        machine.app.version += 1
        self._cut_off_jobs(machine)
        self._answer(machine, machine.app.version, False)

    def _cut_off_jobs(self, machine: Machine) -> None:
        if self.jobs is not None:
            self.jobs.stopped(machine)

    def connections(self, machine: Machine) -> int:
        """The connections of all balancers' clients that an instance has, whether its host shows them or not."""
        return sum(group.connections_of(machine) for group in self.groups.values())

    def sockets(self, machine: Machine) -> list[Socket]:
        """What the kernel of an instance shows of them."""
        if machine.hides:
            return []
        return [found for group in self.groups.values() for found in group.sockets_of(machine)]

    def homes(self, machine: Machine) -> list[Group]:
        """The balancers that an instance belongs to: where traffic is split, one of the two sides."""
        if self.split is None:
            return list(self.groups.values())
        other = self.split.other_side(machine.image)
        return [group for ident, group in self.groups.items() if ident != other]

    def gets_traffic(self, machine: Machine) -> bool:
        """Whether its side is sent any, where traffic is split."""
        if self.split is None:
            return True
        return self.split.weights[self.split.new if machine.image == self.split.image else self.split.old] > 0

    def fleet(self) -> list[Machine]:
        """The fleet's instances that exist; one that failed and was kept for a look is none of them any more."""
        return [
            machine
            for machine in self.machines.values()
            if machine.state.alive and not machine.leaving and not is_apart(machine.tags)
        ]

    def kept(self) -> list[Machine]:
        """What failed, left the fleet and runs on."""
        return [one for one in self.machines.values() if one.state.alive and is_apart(one.tags)]

    def flow(self, rate: float) -> None:
        """From now on everybody in service answers so many requests a second."""
        for machine in self.machines.values():
            if not machine.fate.starved and self._is_sent_traffic(machine):
                machine.served += rate * _FLOW
        self.time.after(_FLOW, lambda: self.flow(rate))

    def _is_sent_traffic(self, machine: Machine) -> bool:
        there = [group.members.get(machine.id) for group in self.homes(machine)]
        healthy = any(member is not None and member.state is TargetState.HEALTHY for member in there)
        return machine.healthy and healthy and self.gets_traffic(machine)

    def said_by_hosts(self) -> str:
        """What a host's log says, secrets included."""
        return f"started; {SECRET}; ready"

    # -- what happens by itself ----------------------------------------------------------------------

    def _drawn_fate(self) -> Fate:
        fate = self.fate()
        weather = self.weather
        fate.starved = weather.strikes(Fault.NO_TRAFFIC)
        if weather.strikes(Fault.NEVER_HEALTHY):
            fate.never_answers = True
        elif weather.strikes(Fault.WRONG_RELEASE):
            fate.release = WRONG.release
        elif weather.strikes(Fault.FLAPS):
            fate.flaps = 2
        elif weather.strikes(Fault.SICK_LATER):
            fate.sick_after = self.random.uniform(5.0, 60.0)
        return fate

    def updated_fate(self) -> Fate:
        """How an update in place turns out: like a launch, but the instance is there already."""
        return self._drawn_fate()

    def _run(self, machine: Machine) -> None:
        if machine.state is not InstanceState.PENDING:
            return
        if machine.fate.release is not None and not self.names_release:
            machine.image = WRONG_IMAGE  # nothing else tells them apart
        image = self.images.get(machine.image, WRONG)
        self._set_state(machine, InstanceState.RUNNING)
        self.serve(machine, image.release, image.digest, machine.fate)

    def _answer(self, machine: Machine, version: int, answers: bool) -> None:
        if machine.app.version != version or machine.app.answers is answers:
            return
        machine.app.answers = answers and machine.running
        self.time.changes += 1
        for group in self.groups.values():
            group.health_changed(machine)

    def _set_state(self, machine: Machine, state: InstanceState) -> None:
        machine.state = state
        self._show(machine)

    def _show(self, machine: Machine) -> None:
        self.time.changes += 1
        machine.history.put(self.time.now, machine.shown(self.time.wall_offset))
