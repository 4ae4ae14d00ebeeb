"""Balancers of a simulated world: registration lag, health by threshold, drains, and connections that end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.remote.sockets import CLOSE_WAIT, CLOSING, ESTABLISHED, LAST_ACK
from deployer.sim.machines import Machine
from deployer.sim.time import History, VirtualTime

_WORDS = {
    TargetState.INITIAL: Target(TargetState.INITIAL, "Elb.RegistrationInProgress"),
    TargetState.HEALTHY: Target(TargetState.HEALTHY),
    TargetState.UNHEALTHY: Target(TargetState.UNHEALTHY, "Target.FailedHealthChecks"),
    TargetState.DRAINING: Target(TargetState.DRAINING, "Target.DeregistrationInProgress"),
    TargetState.UNUSED: Target(TargetState.UNUSED, "Target.NotInUse"),
}


_HALF_CLOSED = (CLOSE_WAIT, LAST_ACK, CLOSING)


@dataclass(frozen=True)
class Socket:
    """One connection on an instance: the port, and the state that the kernel has it in."""

    port: int
    state: int


@dataclass
class Membership:
    """One instance at one balancer. `turn` counts changes, so that what was planned before one is void."""

    machine: Machine
    state: TargetState
    since: float
    ports: set[int]
    """Those it is registered with."""
    connections: int = 0
    half_closed: bool = False
    """Whether the clients of these connections have closed their side, and wait for their answers."""
    turn: int = 0


@dataclass
class Group:
    """One balancer. Times in seconds.

    `lag` is how long a registration takes to be worked on. `linger` draws how long connections stay after a
    deregistration. A target group of an ALB believes a new target after one passing check, everything else
    after the healthy threshold. [ALB, NLB, CLB user guides]
    """

    balancer: Balancer
    time: VirtualTime
    random: Random
    lag: float
    healthy_threshold: int
    unhealthy_threshold: int
    linger: Callable[[], float]
    ports: tuple[int, ...] = ()
    """Where the fleet's instances are registered with ports of their own: those."""
    half_closes: Callable[[], bool] = lambda: False
    """Draws whether the clients of a target that drains have closed their side."""
    broken: bool = False
    """Its health checks fail for everybody."""
    members: dict[str, Membership] = field(default_factory=dict)
    leaving: dict[str, Membership] = field(default_factory=dict)
    """Those whose connections outlive their membership."""
    history: History[Mapping[str, Target]] = field(init=False)
    _published: dict[str, Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = History(self.time.now, {})

    @property
    def places(self) -> frozenset[int]:
        """The ports on which the application serves this balancer."""
        return frozenset(self.ports or (self.balancer.port,))

    def join_healthy(self, machine: Machine) -> None:
        """Has an instance that has been in service for long."""
        member = Membership(machine, TargetState.HEALTHY, -1e6, set(self.places), connections=3)
        self.members[machine.id] = member
        self._publish(machine.id, member)

    def register(self, machine: Machine, port: int | None = None) -> None:
        """RegisterTargets, with one port or all that there are; harmless for one that is registered.

        One that drains starts anew.
        """
        ports = set(self.places) if port is None else {port}
        member = self.members.get(machine.id)
        if member is not None and member.state is not TargetState.DRAINING:
            if not ports <= member.ports:
                member.ports |= ports
                self._become(member, member.state)
                self._plan(member)
            return
        usable = machine.running and (not self.balancer.zones or machine.zone in self.balancer.zones)
        turn = member.turn if member is not None else 0
        fresh = Membership(machine, TargetState.INITIAL, self.time.now, ports, turn=turn)
        self.members[machine.id] = fresh
        self._become(fresh, TargetState.INITIAL if usable else TargetState.UNUSED)
        self._plan(fresh)

    def deregister(self, machine: Machine, port: int | None = None) -> None:
        """DeregisterTargets, of one port or of all: an absent target is fine.

        It drains for the whole delay, however idle it is; as long as one port stays it goes on being sent to.
        """
        member = self.members.get(machine.id)
        if member is None or member.state is TargetState.DRAINING:
            return
        staying = set() if port is None else member.ports - {port}
        if staying == member.ports:
            return
        if staying:
            member.ports = staying
            self._become(member, member.state)
            self._plan(member)
            return
        if member.state is TargetState.UNUSED:
            self._remove(member)
            return
        member.half_closed = bool(member.connections) and self.half_closes()
        self._become(member, TargetState.DRAINING)
        turn = member.turn
        stay = self.linger()
        delay = self.balancer.deregistration_delay
        self.time.after(stay, lambda: self._let_go(member, turn))
        self.time.after(delay, lambda: self._drained(member, turn))

    def quieten(self, machine: Machine) -> None:
        """The application lets its clients' connections go."""
        member = self.members.get(machine.id) or self.leaving.get(machine.id)
        if member is not None and member.state in (TargetState.DRAINING, TargetState.ABSENT):
            self.time.after(self.random.uniform(0.2, 2.0), lambda: self._let_go(member, member.turn))

    def connections_of(self, machine: Machine) -> int:
        """How many connections of this balancer's clients the instance still has."""
        members = (self.members.get(machine.id), self.leaving.get(machine.id))
        return sum(member.connections for member in members if member is not None)

    def sockets_of(self, machine: Machine) -> list[Socket]:
        """The same, one by one, as the instance's kernel has them."""
        found: list[Socket] = []
        for member in (self.members.get(machine.id), self.leaving.get(machine.id)):
            if member is not None:
                states = _HALF_CLOSED if member.half_closed else (ESTABLISHED,)
                found += [Socket(max(self.places), states[n % len(states)]) for n in range(member.connections)]
        return found

    def health_changed(self, machine: Machine) -> None:
        """The application on an instance began or ceased to answer, or the instance stopped."""
        member = self.members.get(machine.id)
        if member is not None:
            self._plan(member)

    def machine_ended(self, machine: Machine) -> None:
        """EC2 ended the instance: after a moment the balancer has no such target any more."""
        self.leaving.pop(machine.id, None)
        member = self.members.get(machine.id)
        if member is None:
            return
        member.connections = 0
        if member.state is not TargetState.DRAINING:
            self.time.after(self.random.uniform(0.5, 5.0), lambda: self._remove(member))

    def check_all(self) -> None:
        """Health checks began or ceased to fail for everybody."""
        for member in list(self.members.values()):
            self._plan(member)

    def _passes(self, member: Membership) -> bool:
        return member.machine.healthy and not self.broken and member.ports <= self.places

    def _plan(self, member: Membership) -> None:
        """Plans the next change of health, if the checks go on as they do now; what drains is checked no more."""
        if member.state is TargetState.DRAINING:
            return  # its end is planned already
        passes = self._passes(member)
        interval = self.balancer.health_interval
        wait = 0.0
        match member.state:
            case TargetState.INITIAL if passes:
                one = self.balancer.kind is BalancerKind.ALB
                wait = self.lag + interval * (1 if one else self.healthy_threshold)
            case TargetState.INITIAL:
                wait = self.lag + interval * self.unhealthy_threshold
            case TargetState.UNHEALTHY if passes:
                wait = interval * self.healthy_threshold
            case TargetState.HEALTHY if not passes:
                wait = interval * self.unhealthy_threshold
            case _:
                member.turn += 1
                return
        member.turn += 1
        turn = member.turn
        wait *= self.random.uniform(0.6, 1.0)
        self.time.after(wait, lambda: self._checked(member, turn))

    def _checked(self, member: Membership, turn: int) -> None:
        if member.turn == turn and self.members.get(member.machine.id) is member:
            passes = self._passes(member)
            self._become(member, TargetState.HEALTHY if passes else TargetState.UNHEALTHY)
            member.connections = 3 if passes else member.connections

    def _become(self, member: Membership, state: TargetState) -> None:
        member.turn += 1
        member.state = state
        member.since = self.time.now
        self._publish(member.machine.id, member)

    def _let_go(self, member: Membership, turn: int) -> None:
        if member.turn == turn:
            member.connections = 0

    def let_go_at_once(self, member: Membership) -> None:
        """Ends a drain long before its delay."""
        self._drained(member, member.turn)

    def _drained(self, member: Membership, turn: int) -> None:
        if member.turn == turn:
            # An NLB leaves live connections to the target alone; the others cut what is left.
            if self.balancer.kind is BalancerKind.NLB and member.connections:
                self.leaving[member.machine.id] = member
            else:
                member.connections = 0
            self._remove(member)

    def _remove(self, member: Membership) -> None:
        if self.members.get(member.machine.id) is member:
            del self.members[member.machine.id]
            member.state = TargetState.ABSENT
            member.since = self.time.now
            self._publish(member.machine.id, None)

    def _publish(self, ident: str, member: Membership | None) -> None:
        self.time.changes += 1
        if member is None:
            self._published.pop(ident, None)
        else:
            ports = () if member.ports == {self.balancer.port} else tuple(sorted(member.ports))
            self._published[ident] = replace(_WORDS[member.state], ports=ports)
        self.history.put(self.time.now, dict(self._published))
