"""The twin's cloud, as one process of the deployer sees it through the engine's port: lag, limits and faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from deployer.engine.fence import Fence
from deployer.engine.ports import LaunchOrder, Registration, Sighting
from deployer.model.errors import AwsError
from deployer.model.fleet import Balancer, Instance, Target, TargetState, is_apart
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown
from deployer.sim.crash import Fuse
from deployer.sim.faults import Fault
from deployer.sim.groups import Group
from deployer.sim.machines import Machine
from deployer.sim.rates import Buckets
from deployer.sim.witness import Witness
from deployer.sim.world import World

_STALE = 12.0
T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


@dataclass
class SimCloud:
    """Implements `deployer.engine.ports.Cloud`. `latency` is the longest that a call takes, in seconds."""

    world: World
    witness: Witness
    fuse: Fuse
    buckets: Buckets
    latency: float = 0.5
    fence: Fence = field(default_factory=Fence)
    stands_still: Callable[[], None] = lambda: None
    """Lets the process stand still for longer than its lease lasts, as SIGSTOP does."""
    calls: dict[str, int] = field(default_factory=dict)

    # -- looking -------------------------------------------------------------------------------------

    def look(self) -> Sighting:
        """One look, which may show an earlier moment; never one before what it has shown already."""
        self.enter_or_raise("looking", "DescribeInstances")
        stale = _STALE if self.world.weather.lasts(Fault.STALE_DESCRIBE, self.world.time.now) else 0.0
        at = self._moment("ec2", stale)
        shown = (machine.history.seen(at) for machine in self.world.machines.values())
        instances = tuple(one for one in shown if one is not None and not is_apart(one.tags))
        targets: dict[str, Mapping[str, Target]] = {}
        silent: dict[str, str] = {}
        for ident, group in self.world.groups.items():
            if not self._take("DescribeTargetHealth"):
                silent[ident] = "throttled"
                continue
            targets[ident] = self._page(group.history.seen(self._moment(ident, stale)))
        weights = dict(self.world.split.weights) if self.world.split is not None else {}
        sighting = Sighting(instances, targets, silent, weights)
        self.witness.showed(sighting)
        return sighting

    def _moment(self, what: str, stale: float) -> float:
        """Which moment is shown of something: a little ago, and never an earlier one than before."""
        lag = self.world.random.choice((0.0, 0.0, 0.0, 0.3, 1.0)) + self.world.random.uniform(0.0, stale)
        at = max(self.world.time.now - lag, self.world.shown_until.get(what, -1e6))
        self.world.shown_until[what] = at
        return at

    def _page(self, targets: Mapping[str, Target]) -> Mapping[str, Target]:
        if not targets or not self.world.weather.lasts(Fault.TARGETS_MISSING, self.world.time.now):
            return targets
        kept = sorted(targets)[: max(1, len(targets) * 2 // 3)]
        return {ident: targets[ident] for ident in kept}

    # -- changing ------------------------------------------------------------------------------------

    def launch(self, orders: Sequence[LaunchOrder]) -> Mapping[str, Outcome[Instance]]:
        """Launches, one request an order, by token."""
        return self._each(orders, lambda order: order.token, "RunInstances", self._launch_one)

    def register(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Registers, one request a balancer."""
        return self._by_balancer(registrations, "RegisterTargets", self._register_one)

    def deregister(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Deregisters, one request a balancer; an absent target is Done."""
        return self._by_balancer(registrations, "DeregisterTargets", self._deregister_one)

    def terminate(self, instances: Sequence[str]) -> Mapping[str, Outcome[None]]:
        """Terminates in one request; items that AWS refuses stand alone, as the real door bisects."""
        return self._each(instances, lambda ident: ident, "TerminateInstances", self._terminate_one, at_once=True)

    def set_aside(self, instances: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, Outcome[None]]:
        """Marks instances as kept apart, in one request."""

        def one(ident: str) -> Outcome[None]:
            machine = self._machine(ident)
            if machine is None or not machine.state.alive:
                return Done(None, self._request())
            self.witness.setting_aside(machine)
            self.world.set_aside(machine, tags)
            return self.done(None)

        return self._each(instances, lambda ident: ident, "CreateTags", one, at_once=True)

    def tag(self, instances: Sequence[str], tags: Mapping[str, str]) -> Outcome[None]:
        """Sets tags."""

        def one(ident: str) -> Outcome[None]:
            machine = self._machine(ident)
            if machine is None:
                return Temporary(f"{ident} is not found", 2.0, "InvalidInstanceID.NotFound")
            self.witness.tagging(machine)
            self.world.tag(machine, tags)
            return self.done(None)

        outcomes = self._each(instances, lambda ident: ident, "CreateTags", one, at_once=True)
        refused = [outcome for outcome in outcomes.values() if not isinstance(outcome, Done)]
        return refused[0] if refused else next(iter(outcomes.values()), Done(None))

    def weigh(self, weights: Mapping[str, int]) -> Outcome[None]:
        """Sets the shares of traffic, where it is split."""
        split = self.world.split
        if split is None or not weights.keys() <= split.weights.keys():
            return Permanent(f"no listener splits traffic among {', '.join(weights)}")

        def shift() -> Outcome[None]:
            self.witness.weighing({**split.weights, **weights})
            split.weights.update(weights)
            self.world.time.changes += 1
            return self.done(None)

        return self._each(("",), lambda ident: ident, "ModifyRule", lambda _: shift(), at_once=True)[""]

    def console(self, instance: str) -> str:
        """The tail of the console output."""
        machine = self._machine(instance)
        return self.world.said_by_hosts() if machine is not None else ""

    def balancers(self) -> Sequence[Balancer]:
        """The fleet's balancers."""
        return [group.balancer for group in self.world.groups.values()]

    # -- the group -----------------------------------------------------------------------------------

    def enter_or_raise(self, doing: str, operation: str | None = None) -> None:
        """Lets the time of a call pass. Raises AwsError when AWS does not do it."""
        refused = self._enter(operation)
        if refused is not None:
            raise AwsError(f"{doing} failed: {refused.reason}", code=refused.code)

    def change(self, change: Callable[[], Outcome[V]]) -> Outcome[V]:
        """One mutating call about the group."""
        return self._each(("",), lambda ident: ident, None, lambda _: change(), at_once=True)[""]

    def change_each(self, instances: Sequence[str], one: Callable[[str], Outcome[V]]) -> dict[str, Outcome[V]]:
        """One mutating call about several members."""
        return self._each(instances, lambda ident: ident, None, one, at_once=True)

    # -- one item ------------------------------------------------------------------------------------

    def _launch_one(self, order: LaunchOrder) -> Outcome[Instance]:
        weather = self.world.weather
        if not self._take("RunInstances"):
            return self._throttled()
        if order.token not in self.world.by_token:
            refused = self._no_room(order)
            if refused is not None:
                return refused
        self.witness.launching(order, self.world.by_token.get(order.token))
        machine = self.world.launch(order)
        self.witness.launched(machine)
        if weather.strikes(Fault.LAUNCH_ANSWER_LOST):
            return Unknown(f"the answer to launching in {order.slot} was lost")
        shown = machine.shown(self.world.time.wall_offset)
        if shown is None:
            return Permanent("its instance was terminated", "IdempotentInstanceTerminated", self._request())
        return self.done(shown)

    def _no_room(self, order: LaunchOrder) -> Temporary | Permanent | None:
        weather, now = self.world.weather, self.world.time.now
        if order.image in self.world.gone_images:
            weather.reached[Fault.ROLLBACK_TARGET_GONE] += 1
            return Permanent(f"there is no image {order.image}", "InvalidAMIID.NotFound", self._request())
        if order.zone == "a" and weather.lasts(Fault.NO_CAPACITY, now):
            return Temporary(f"no capacity in {order.zone}", 15.0, "InsufficientInstanceCapacity", self._request())
        if weather.lasts(Fault.QUOTA, now):
            return Temporary("the quota is used up", 60.0, "VcpuLimitExceeded", self._request())
        if weather.strikes(Fault.TOKEN_MISMATCH):
            return Permanent("the token was used otherwise", "IdempotentParameterMismatch", self._request())
        return None

    def _register_one(self, item: Registration) -> Outcome[None]:
        found = self._registered(item)
        if not isinstance(found, tuple):
            return found
        group, machine = found
        if machine.history.latest is None or not machine.running:
            return Temporary(f"{machine.id} is not running", 2.0, "InvalidTarget", self._request())
        if self.world.weather.strikes(Fault.PART_REGISTERED):
            return Temporary(f"{machine.id} was passed over", 2.0, "InvalidTarget", self._request())
        self.witness.registering(group, machine)
        group.register(machine, item.port or group.balancer.port)
        return self.done(None)

    def _deregister_one(self, item: Registration) -> Outcome[None]:
        found = self._registered(item)
        if not isinstance(found, tuple):
            return found
        group, machine = found
        if machine.id in group.members:
            self.witness.deregistering(group, machine)
            group.deregister(machine, item.port or group.balancer.port)
            self._drain_badly(group, machine)
        return self.done(None)

    def _drain_badly(self, group: Group, machine: Machine) -> None:
        member = group.members.get(machine.id)
        if member is None or member.state is not TargetState.DRAINING:
            return
        if self.world.weather.strikes(Fault.DIES_DRAINING):
            self.world.time.after(1.0, lambda: self.world.end(machine, lost=True))
        elif len(self.world.groups) > 1 and self.world.weather.strikes(Fault.UNEVEN_DRAIN):
            group.let_go_at_once(member)

    def _terminate_one(self, ident: str) -> Outcome[None]:
        weather = self.world.weather
        machine = self._machine(ident)
        if machine is None:
            return Done(None, self._request())
        if machine.protected or weather.strikes(Fault.PROTECTED):
            # Somebody has protected it, and sees to it after a while.
            if not machine.protected:
                machine.protected = True
                self.world.time.after(120.0, lambda: setattr(machine, "protected", False))
            return Permanent(f"{ident} is protected", "OperationNotPermitted", self._request())
        if weather.strikes(Fault.BAD_ID_IN_BATCH):
            return Temporary(f"{ident} is not found", 2.0, "InvalidInstanceID.NotFound", self._request())
        self.witness.terminating(machine)
        self.world.end(machine, lost=False)
        if weather.strikes(Fault.NOT_FOUND_ON_TERMINATE):
            return Temporary(f"{ident} is not found", 2.0, "InvalidInstanceID.NotFound", self._request())
        if weather.strikes(Fault.TERMINATE_ANSWER_LOST):
            return Unknown(f"the answer to terminating {ident} was lost")
        return self.done(None)

    def _registered(self, item: Registration) -> tuple[Group, Machine] | Temporary | Permanent:
        machine = self._machine(item.instance)
        group = self.world.groups.get(item.balancer)
        if group is None:
            return Permanent(f"{item.balancer} is not a balancer of the fleet")
        if machine is None:
            return Temporary(f"{item.instance} is not found", 2.0, "InvalidTarget", self._request())
        return group, machine

    def _machine(self, ident: str) -> Machine | None:
        return self.world.machines.get(ident) or self.world.bystanders.get(ident)

    # -- calls ---------------------------------------------------------------------------------------

    def _each(
        self,
        items: Sequence[T],
        key: Callable[[T], K],
        operation: str | None,
        one: Callable[[T], Outcome[V]],
        *,
        at_once: bool = False,
    ) -> dict[K, Outcome[V]]:
        """One mutating call, or as many as there are items. The process may end at any point of it."""
        if not items:
            return {}
        self.fuse.about_to_call()
        refused = self._enter(None if not at_once else operation)
        if refused is not None:
            return {key(item): refused for item in items}
        self._stop_before_sending(lambda: [one(item) for item in items])
        self.fence.check()
        self.witness.sending()
        last = self.fuse.items_to_apply(len(items))
        outcomes = {key(item): one(item) for item in items[:last]}
        self.fuse.applied()
        return outcomes

    def _stop_before_sending(self, attempt: Callable[[], object]) -> None:
        """Stands still before the call's only attempt, or after a first one whose answer is lost."""
        if self.world.weather.strikes(Fault.STOPPED_IN_CALL):
            self.stands_still()
        elif self.world.weather.strikes(Fault.STOPPED_IN_RETRY):
            if self.world.random.random() < 0.5:
                owed = set(self.witness.owed)
                attempt()
                self.witness.owed = owed  # no answer came, so there is nothing to record
            self.stands_still()

    def _by_balancer(
        self, items: Sequence[Registration], operation: str, one: Callable[[Registration], Outcome[None]]
    ) -> dict[Registration, Outcome[None]]:
        outcomes: dict[Registration, Outcome[None]] = {}
        for ident in dict.fromkeys(item.balancer for item in items):
            mine = [item for item in items if item.balancer == ident]
            outcomes |= self._each(mine, lambda item: item, operation, one, at_once=True)
        return outcomes

    def _enter(self, operation: str | None) -> Temporary | Permanent | None:
        """Lets the time of a call pass; what AWS says instead of doing it, if anything."""
        world = self.world
        world.time.advance(world.random.uniform(0.02, self.latency))
        self.fuse.check()
        now = world.time.now
        if world.weather.lasts(Fault.ENDPOINT_DOWN, now):
            return Temporary("the endpoint does not answer", 5.0, "EndpointConnectionError")
        if world.weather.lasts(Fault.CREDENTIALS_EXPIRE, now):
            return Permanent("the credentials have expired", "ExpiredToken", self._request())
        if operation != "DescribeInstances" and world.weather.lasts(Fault.ACCESS_DENIED, now):
            return Permanent(
                "the credentials may not do that", "UnauthorizedOperation", self._request(), denied=True
            )
        if operation is not None and not self._take(operation):
            return self._throttled()
        return None

    def _take(self, operation: str) -> bool:
        self.calls[operation] = self.calls.get(operation, 0) + 1
        if self.buckets.take(operation):
            return True
        self.world.weather.reached[Fault.THROTTLED] += 1
        return False

    def _throttled(self) -> Temporary:
        return Temporary("throttled", 2.0, "RequestLimitExceeded", self._request())

    def done(self, value: T) -> Done[T]:
        """What was answered: the change is owed an audit record."""
        return Done(value, self.witness.answered(self._request()))

    def _request(self) -> str:
        return self.witness.next_request()
