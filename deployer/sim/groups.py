"""Balancers of a simulated world: registration lag, health by threshold, drains, and connections that end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.sim.machines import Machine
from deployer.sim.time import History, VirtualTime

_WORDS = {
    TargetState.INITIAL: Target(TargetState.INITIAL, "Elb.RegistrationInProgress"),
    TargetState.HEALTHY: Target(TargetState.HEALTHY),
    TargetState.UNHEALTHY: Target(TargetState.UNHEALTHY, "Target.FailedHealthChecks"),
    TargetState.DRAINING: Target(TargetState.DRAINING, "Target.DeregistrationInProgress"),
    TargetState.UNUSED: Target(TargetState.UNUSED, "Target.NotInUse"),
}


@dataclass
class Membership:
    """One instance at one balancer. `turn` counts changes, so that what was planned before one is void."""

    machine: Machine
    state: TargetState
    since: float
    connections: int = 0
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
    broken: bool = False
    """Its health checks fail for everybody."""
    members: dict[str, Membership] = field(default_factory=dict)
    leaving: dict[str, Membership] = field(default_factory=dict)
    """Those whose connections outlive their membership."""
    history: History[Mapping[str, Target]] = field(init=False)
    _published: dict[str, Target] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.history = History(self.time.now, {})

    def join_healthy(self, machine: Machine) -> None:
        """Has an instance that has been in service for long."""
        self.members[machine.id] = Membership(machine, TargetState.HEALTHY, -1e6, connections=3)
        self._publish(machine.id, TargetState.HEALTHY)

    def register(self, machine: Machine) -> None:
        """RegisterTargets: harmless for one that is registered; one that drains starts anew."""
        member = self.members.get(machine.id)
        if member is not None and member.state is not TargetState.DRAINING:
            return
        usable = machine.running and (not self.balancer.zones or machine.zone in self.balancer.zones)
        turn = member.turn if member is not None else 0
        fresh = Membership(machine, TargetState.INITIAL, self.time.now, turn=turn)
        self.members[machine.id] = fresh
        self._become(fresh, TargetState.INITIAL if usable else TargetState.UNUSED)
        self._plan(fresh)

    def deregister(self, machine: Machine) -> None:
        """DeregisterTargets: an absent target is fine. It drains for the whole delay, however idle it is."""
        member = self.members.get(machine.id)
        if member is None or member.state is TargetState.DRAINING:
            return
        if member.state is TargetState.UNUSED:
            self._remove(member)
            return
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
        return member.machine.healthy and not self.broken

    def _plan(self, member: Membership) -> None:
        """Plans the next change of health, if the checks go on as they do now."""
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
        self._publish(member.machine.id, state)

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

    def _publish(self, ident: str, state: TargetState | None) -> None:
        self.time.changes += 1
        if state is None:
            self._published.pop(ident, None)
        else:
            self._published[ident] = _WORDS[state]
        self.history.put(self.time.now, dict(self._published))
