"""The twin's Auto Scaling group: its size, its members, what it launches, and what it does of its own accord."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.aws.group_sources import GroupSource
from deployer.aws.groups import GroupFacts, Member
from deployer.model.fleet import InstanceState, Tag
from deployer.sim.machines import Fate, Machine
from deployer.sim.world import DEFAULT_TYPE, FLEET, World

NAME = "shop-web"
TEMPLATE = "lt-shop"
_TERMINATING = "Terminating"
_IN_SERVICE = "InService"


@dataclass(frozen=True)
class Version:
    """One version of the launch template: what it launches, and what it was made for."""

    image: str
    kind: str
    mark: str = ""


@dataclass(frozen=True)
class Shape:
    """What a rollout has to leave as it was."""

    least: int
    most: int
    desired: int
    version: str
    suspended: frozenset[str]


@dataclass
class AutoGroup:
    """One group with its launch template. `fate` draws how what it launches turns out."""

    world: World
    fate: Callable[[], Fate]
    registered: Callable[[Machine], None]
    """Told of what the group has put into its balancers of its own accord."""
    least: int
    most: int
    desired: int
    version: str
    """What it launches: a number, `$Latest` or `$Default`."""
    versions: dict[int, Version]
    default: int = 1
    suspended: set[str] = field(default_factory=set)
    members: dict[str, str] = field(default_factory=dict)
    """Lifecycle state by instance id."""
    by_others: int = 0
    """By how much others have changed the desired capacity."""
    before: Shape = field(init=False)
    _tended: bool = True

    def __post_init__(self) -> None:
        self.before = self.shape()

    def shape(self) -> Shape:
        """As it is now."""
        return Shape(self.least, self.most, self.desired, self.version, frozenset(self.suspended))

    def facts(self) -> GroupFacts:
        """What DescribeAutoScalingGroups shows."""
        self._forget_the_gone()
        return GroupFacts(
            name=NAME,
            least=self.least,
            most=self.most,
            desired=self.desired,
            members=tuple(Member(ident, state) for ident, state in self.members.items()),
            suspended=frozenset(self.suspended),
            source=GroupSource(TEMPLATE, self.version),
            pools=tuple(self.world.groups),
        )

    def launches(self, version: str | None = None) -> Version:
        """What a version stands for, or what the group launches now."""
        return self.versions[self.number(version or self.version)]

    def number(self, version: str) -> int:
        """The number of a version that may be named by what it is."""
        match version:
            case "$Latest":
                return max(self.versions)
            case "$Default":
                return self.default
            case _:
                return int(version)

    # -- what is asked of it -------------------------------------------------------------------------

    def attach(self, machine: Machine) -> None:
        """AttachInstances: a member from now on, and registered; the desired capacity grows by one."""
        self.desired += 1
        self.members[machine.id] = _IN_SERVICE
        for group in self.world.groups.values():
            group.register(machine)

    def let_go(self, machine: Machine) -> None:
        """TerminateInstanceInAutoScalingGroup with the place given up: the desired capacity falls by one."""
        self.desired -= 1
        self._end(machine, lost=False, after=self.world.random.uniform(0.5, 3.0))

    def detach(self, machine: Machine) -> None:
        """DetachInstances with the place given up: no member any more, deregistered, and running on."""
        self.desired -= 1
        del self.members[machine.id]
        for group in self.world.groups.values():
            group.deregister(machine)

    def resize(self, least: int | None, most: int | None, desired: int | None) -> None:
        """UpdateAutoScalingGroup: the desired capacity follows its limits."""
        self.least = self.least if least is None else least
        self.most = self.most if most is None else most
        wanted = self.desired if desired is None else desired
        self.desired = min(max(wanted, self.least), self.most)
        self.poke()

    def scale_out(self) -> bool:
        """Somebody wants one more; whether there is room for it."""
        if self.desired >= self.most:
            return False
        self.desired += 1
        self.by_others += 1
        self.poke()
        return True

    def scale_in(self, machine: Machine) -> bool:
        """Somebody wants one less, and this member goes; whether the group may be that small."""
        if self.desired <= self.least or self.members.get(machine.id) != _IN_SERVICE:
            return False
        self.desired -= 1
        self.by_others -= 1
        for group in self.world.groups.values():
            group.deregister(machine)
        self._end(machine, lost=True, after=20.0)
        return True

    # -- what it does by itself ----------------------------------------------------------------------

    def poke(self) -> None:
        """Something changed: after a while the group brings its members to what is desired."""
        if self._tended:
            self._tended = False
            self.world.time.after(self.world.random.uniform(5.0, 20.0), self._tend)

    def _tend(self) -> None:
        self._tended = True
        self._forget_the_gone()
        if not self.suspended & {"HealthCheck", "ReplaceUnhealthy"}:
            for ident in [ident for ident in self._staying() if not self.world.machines[ident].state.alive]:
                del self.members[ident]
        missing = self.desired - len(self._staying())
        for _ in range(missing):
            self._launch()
        for ident in self._staying()[: max(-missing, 0)]:
            self._end(self.world.machines[ident], lost=True, after=1.0)

    def _staying(self) -> list[str]:
        return [ident for ident, state in self.members.items() if state != _TERMINATING]

    def _launch(self) -> None:
        what = self.launches()
        if what.image in self.world.gone_images:
            return
        zones = sorted({machine.zone for machine in self.world.machines.values()})
        zone = self.world.random.choice(zones)
        machine = self.world.add(zone=zone, image=what.image, tags={Tag.FLEET: FLEET}, kind=what.kind)
        machine.foreign = True
        self.members[machine.id] = "Pending"
        self.world.start(machine, self.fate())
        self.world.time.after(machine.fate.pending + 1.0, lambda: self._begin_service(machine))

    def _begin_service(self, machine: Machine) -> None:
        """A member is pending until EC2 runs it, however long that takes."""
        if machine.state is InstanceState.PENDING:
            self.world.time.after(1.0, lambda: self._begin_service(machine))
        elif machine.running and self.members.get(machine.id) == "Pending":
            self.members[machine.id] = _IN_SERVICE
            for group in self.world.groups.values():
                group.register(machine)
            self.registered(machine)

    def _end(self, machine: Machine, *, lost: bool, after: float) -> None:
        self.members[machine.id] = _TERMINATING
        machine.leaving = True
        self.world.time.after(after, lambda: self.world.end(machine, lost=lost))

    def _forget_the_gone(self) -> None:
        ended = InstanceState.TERMINATED
        for ident in [ident for ident, state in self.members.items() if state == _TERMINATING]:
            if self.world.machines[ident].state is ended:
                del self.members[ident]


def group_of(
    world: World, image: str, version: str, fate: Callable[[], Fate], registered: Callable[[Machine], None]
) -> AutoGroup:
    """A group that launches this image, whose members are the fleet as it stands, and some room above and below."""
    fleet = world.fleet()
    group = AutoGroup(
        world=world,
        fate=fate,
        registered=registered,
        least=max(len(fleet) - 1, 0),
        most=len(fleet) + 1,
        desired=len(fleet),
        version=version,
        versions={1: Version(image, DEFAULT_TYPE)},
    )
    group.members = {machine.id: _IN_SERVICE for machine in fleet}
    world.when_ended = group.poke
    return group
