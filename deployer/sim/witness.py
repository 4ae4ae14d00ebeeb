"""Holds the promises against what really is the case, before every change and after every event.

The witness knows the plan, what the deployer was shown, and the world as it is. It never asks the engine what
it believes. What it finds broken is kept, with the promise's number, for the run to report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployer.engine.events import Completed, Event, Failed, Looked, Turned
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import LaunchOrder, Sighting
from deployer.model.fleet import BalancerKind, Release, Tag, TargetState
from deployer.model.hosts import Answered
from deployer.model.policy import Keep, Method
from deployer.sim.faults import Fault
from deployer.sim.groups import Group
from deployer.sim.machines import APP_PORT, Machine
from deployer.sim.shown import Shown
from deployer.sim.world import World

_AWAY = (TargetState.ABSENT, TargetState.UNUSED, TargetState.DRAINING)


@dataclass(frozen=True)
class Violation:
    """One broken promise: its number, when (virtual seconds), and what was found."""

    promise: int
    at: float
    text: str

    def __str__(self) -> str:
        return f"promise {self.promise} broken at {self.at:.1f} s: {self.text}"


@dataclass
class Witness:
    """One world's witness, over all processes that work on it.

    `in_charge` tells the epoch under which the fleet may be changed now, from the state store itself; `journal`
    gives what stands in it. `calm` says that nothing but the deployer takes capacity away in this world.
    """

    world: World
    plan: RolloutPlan
    in_charge: Callable[[], int | None]
    journal: Callable[[], bytes]
    calm: bool
    violations: list[Violation] = field(default_factory=list)
    epoch: int = 0
    judged_until: dict[str, float] = field(default_factory=dict)
    """The latest moment of each balancer that a decision rests on: what is looked at to tidy up decides nothing."""
    launched_ids: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    failures: int = 0
    rolling_back: bool = False
    lowest: int | None = None
    changes: int = 0
    alarmed: bool = False
    """Whether the deployer was told that an alarm is in ALARM."""
    double_launches: int = 0
    stages: int = 0
    """Bundles that were brought onto hosts: a move that changes nothing that runs."""
    requests: int = 0
    touched: dict[str, float] = field(default_factory=dict)
    """Instances that somebody else has done something to, and when."""
    _looked_at: int = -1
    owed: set[str] = field(default_factory=set)
    """Requests of this process that changed something: each is owed one audit record."""
    shown: Shown = field(init=False)
    """What this process was shown and told."""

    def __post_init__(self) -> None:
        self.shown = Shown(self.world, self.plan)

    # -- what the deployer is told -------------------------------------------------------------------

    def new_life(self, epoch: int) -> None:
        """Another process works on the rollout: it has seen and heard nothing yet."""
        self.epoch = epoch
        self.shown.forget()
        self.owed = set()
        self.alarmed = False

    def wake(self, epoch: int) -> None:
        """A process that stood still goes on; what it was shown is from before."""
        self.epoch = epoch
        self.shown.sighting = None

    def note(self, promise: int, text: str) -> None:
        """Keeps a broken promise that was found elsewhere."""
        self._broken(promise, text)

    def showed(self, sighting: Sighting) -> None:
        """A look was answered."""
        self.shown.sighting = sighting

    def answered_health(self, report: Answered) -> None:
        """A host told its health and release."""
        self.shown.answers[report.instance] = report

    def next_request(self) -> str:
        """A request id of this world."""
        self.requests += 1
        return f"req-{self.requests:05d}"

    def answered(self, request: str) -> str:
        """A change was made and answered: it is owed one audit record (promise 18)."""
        self.owed.add(request)
        return request

    def heard(self, event: Event) -> None:
        """What the engine tells those who watch it."""
        match event:
            case Looked():
                self.judged_until = dict(self.world.shown_until)
            case Failed(instance=ident) if ident in self.world.machines:
                self.failures += ident not in self.given_up
                self.given_up.add(ident)
            case Failed(instance=name) if not name.startswith("strategy "):
                self.failures += 1  # a place that nothing could be launched into
            case Turned(rolling_back=True) if not self.rolling_back:
                self.rolling_back = True
                self.failures = 0
            case Completed(instance=ident):
                self._check_completed(ident)
            case _:
                pass

    # -- before each change --------------------------------------------------------------------------

    def launching(self, order: LaunchOrder, there: Machine | None) -> None:
        """Before an instance is launched; `there` is the one that the token already stands for."""
        self._changing(f"launch in {order.slot}")
        if there is not None:
            return
        wanted = {Tag.FLEET: self.plan.fleet, Tag.ROLLOUT: self.plan.rollout, Tag.SLOT: order.slot}
        missing = [tag for tag, value in wanted.items() if order.tags.get(tag) != value]
        # An order that is repeated under its token must be the same in all, so it keeps its first epoch.
        if not 1 <= int(order.tags.get(Tag.EPOCH, "0")) <= self.epoch:
            missing.append(Tag.EPOCH)
        if missing:
            self._broken(6, f"launch in {order.slot} does not carry {', '.join(missing)}")
        if order.token.encode() not in self.journal():
            self._broken(6, f"launch in {order.slot} was not journaled before it was made")
        if self.failures > self.plan.policy.max_failures and not self.rolling_back:
            self._broken(13, f"launch in {order.slot} after {self.failures} failures")
        if self.alarmed and not self.rolling_back:
            self._broken(13, f"launch in {order.slot} though an alarm is in ALARM")

    def launched(self, machine: Machine) -> None:
        """After an instance was launched."""
        self.launched_ids.add(machine.id)
        fleet = self.world.fleet()
        joined = sum(1 for one in self.world.machines.values() if one.foreign)
        most = len(self.plan.slots) + self.plan.limits.surge + joined
        if len(fleet) > most:
            self._broken(3, f"{len(fleet)} alive > {most}, after {machine.id} was launched")
        slot = machine.tags.get(Tag.SLOT)
        twins = [
            one.id
            for one in fleet
            if one.tags.get(Tag.SLOT) == slot and self._ours(one) and one.id not in self.given_up
            if (one.image, one.type) == (machine.image, machine.type)
        ]
        if len(twins) > 1:
            self.double_launches += 1
            self._broken(9, f"launched twice in {slot}: {', '.join(twins)}")

    def registering(self, group: Group, machine: Machine) -> None:
        """Before an instance is registered."""
        self._changing_machine("register", machine)
        answer = self.shown.answers.get(machine.id)
        if answer is None or not answer.answer.ok:
            self._broken(10, f"{machine.id} is registered without having answered")
        self.shown.removed.discard((group.balancer.id, machine.id))

    def registered_by_others(self, machine: Machine) -> None:
        """Somebody else has put an instance in: whatever was asked of it before is over."""
        self.shown.removed -= {(ident, machine.id) for ident in self.world.groups}

    def deregistering(self, group: Group, machine: Machine) -> None:
        """Before an instance is deregistered."""
        self._changing_machine("deregister", machine)
        self._lowering("deregister", machine)
        self._replacing("deregister", machine)
        self._note_traffic(group, machine)
        self.shown.removed.add((group.balancer.id, machine.id))

    def _note_traffic(self, group: Group, machine: Machine) -> None:
        """Which traits of this world's traffic a drain meets."""
        reached = self.world.weather.reached
        if group.connections_of(machine):
            reached[Fault.OTHER_PORT] += group.places != {APP_PORT}
            reached[Fault.HIDDEN_CONNECTIONS] += machine.hides

    def terminating(self, machine: Machine) -> None:
        """Before an instance is terminated."""
        self._changing_machine("terminate", machine)
        self._lowering("terminate", machine)
        self._replacing("terminate", machine)
        self._must_be_due("terminated", machine)
        self._must_be_drained("terminated", machine)
        self._must_be_known("terminated", machine)
        self.shown.ended.add(machine.id)

    def setting_aside(self, machine: Machine) -> None:
        """Before an instance is kept apart: it is as drained as one that is ended, and it has failed."""
        self._changing_machine("set aside", machine)
        self._lowering("set aside", machine)
        self._replacing("set aside", machine)
        self._must_be_drained("set aside", machine)
        self._must_be_known("set aside", machine)
        if machine.id not in self.given_up:
            self._broken(9, f"{machine.id} is set aside, and was not given up on")
        if self.plan.policy.failed_instances is not Keep.KEEP:
            self._broken(9, f"{machine.id} is set aside, and nobody asked for that")
        self.shown.ended.add(machine.id)

    def updating(self, machine: Machine) -> None:
        """Before a release is installed on an instance."""
        self._changing_machine("update", machine)
        self._lowering("update", machine)
        self._must_be_due("updated", machine)
        self._must_be_drained("updated", machine)
        self._must_be_known("updated", machine)
        if self.failures > self.plan.policy.max_failures and not self.rolling_back:
            self._broken(13, f"{machine.id} is updated after {self.failures} failures")
        self.shown.removed |= {(ident, machine.id) for ident in self.world.groups}

    def weighing(self, weights: Mapping[str, int]) -> None:
        """Before traffic is shared out anew: who gets none of it any more is out of service."""
        self._changing("weigh")
        before, counted = self.shown.in_service(), self.shown.in_service(weights)
        limits = self.plan.limits
        if len(counted) < min(limits.floor, len(before)):
            self._broken(1, f"the weights leave {len(counted)} in service < floor {limits.floor}")
        for zone, floor in limits.zone_floor:
            was, there = (sum(1 for one in found if one.zone == zone) for found in (before, counted))
            if there < min(floor, was):
                self._broken(2, f"the weights leave {there} in service in {zone} < zone floor {floor}")

    def withdrawing(self, machine: Machine) -> None:
        """Before a worker, which no balancer sends anything, is asked to take no more work."""
        self._changing_machine("withdraw", machine)
        self._lowering("withdraw", machine)
        if self.world.jobs is not None:
            self.world.weather.reached[Fault.JOB_UNDER_WAY] += self.world.jobs.of(machine) > 0
            self.shown.told.add(machine.id)

    def tagging(self, machine: Machine) -> None:
        """Before an instance is tagged."""
        self._changing_machine("tag", machine)

    # -- after every event ---------------------------------------------------------------------------

    def after_event(self) -> None:
        """Something happened: while nobody else takes capacity away, the floor really is kept."""
        if self.world.time.changes == self._looked_at:
            return
        self._looked_at = self.world.time.changes
        serving = self.serving()
        self.lowest = len(serving) if self.lowest is None else min(self.lowest, len(serving))
        if not self.calm:
            return
        limits = self.plan.limits
        if len(serving) < limits.floor:
            self._broken(1, f"{len(serving)} really in service < floor {limits.floor}")
        for zone, floor in limits.zone_floor:
            there = sum(1 for machine in serving if machine.zone == zone)
            if there < floor:
                self._broken(2, f"{there} really in service in {zone} < zone floor {floor}")

    def serving(self) -> list[Machine]:
        """Who really carries the fleet's traffic: healthy at every balancer, with a release of this rollout."""
        return [
            machine
            for machine in self.world.machines.values()
            if machine.healthy and not machine.withdrawn
            if self.shown.right_release(machine) and self.world.gets_traffic(machine)
            if all(
                (member := group.members.get(machine.id)) is not None and member.state is TargetState.HEALTHY
                for group in self.world.homes(machine)
            )
        ]

    # -- the promises --------------------------------------------------------------------------------

    def _changing(self, what: str) -> None:
        self.changes += 1
        self.sending(what)

    def sending(self, what: str = "a call is sent") -> None:
        """A call that changes something is sent, or one attempt of it (promise 5)."""
        if self.in_charge() != self.epoch:
            self._broken(5, f"{what} under epoch {self.epoch}, but {self.in_charge()} is in charge")

    def _changing_machine(self, what: str, machine: Machine) -> None:
        self._changing(f"{what} {machine.id}")
        if machine.id in self.world.bystanders:
            self._broken(8, f"{what} {machine.id}, which does not belong to the fleet")

    def _lowering(self, what: str, machine: Machine) -> None:
        """Promises 1 and 2, before a call that lowers capacity: by what was shown, less removals asked for."""
        counted = self.shown.in_service()
        left = len(counted) - 1
        if machine.id not in {one.id for one in counted}:
            return
        if left < self.plan.limits.floor:
            self._broken(1, f"{what} {machine.id} leaves {left} in service < floor {self.plan.limits.floor}")
        there = sum(1 for one in counted if one.zone == machine.zone) - 1
        if there < (floor := self.plan.limits.floor_of(machine.zone)):
            self._broken(2, f"{what} {machine.id} leaves {there} in {machine.zone} < zone floor {floor}")

    def _must_be_drained(self, what: str, machine: Machine) -> None:
        """Promise 4: out of every balancer, and nobody's request in flight unless the balancer has cut it off."""
        if not machine.running:
            return
        if self.world.jobs is not None and self.world.jobs.of(machine):
            self._broken(4, f"{machine.id} is {what} in the middle of {self.world.jobs.of(machine)} jobs")
        for group in self.world.groups.values():
            member = group.members.get(machine.id)
            if member is not None and member.state not in _AWAY:
                self._broken(4, f"{machine.id} is {what} while {member.state.value} at {group.balancer.name}")
            elif group.connections_of(machine) and not self._overdue(group, machine):
                self._broken(4, f"{machine.id} is {what} with connections open at {group.balancer.name}")

    def _overdue(self, group: Group, machine: Machine) -> bool:
        """Whether connections have outlived every patience: an NLB never cuts them itself."""
        member = group.leaving.get(machine.id)
        if member is None or group.balancer.kind is not BalancerKind.NLB:
            return False
        # A host cannot tell of connections that are passed on to a container.
        told = self.plan.policy.ask_hosts and machine.running and not machine.hides
        return not told or self.world.time.now - member.since >= self.plan.policy.deadlines.drain / 2 - 60.0

    def _must_be_known(self, what: str, machine: Machine) -> None:
        """Promise 14: unknown health is not dead."""
        if self.shown.sighting is not None and self.shown.sighting.silent:
            self._broken(14, f"{machine.id} is {what} while {', '.join(self.shown.sighting.silent)} says nothing")

    def _replacing(self, what: str, machine: Machine) -> None:
        """Promise 15: while a successor is on its way, what it replaces stays until the successor has soaked."""
        if self.plan.policy.method is not Method.RELAUNCH or self._ours(machine) or self.rolling_back:
            return
        if machine not in self.shown.in_service():
            return
        slot, ours = self._slot_of(machine), [one for one in self.world.fleet() if self._ours(one)]
        coming = [one for one in ours if one.tags.get(Tag.SLOT) == slot and one.id not in self.given_up]
        if coming and not any(self.shown.soaked(one) for one in coming):
            self._broken(15, f"{what} {machine.id} before {coming[0].id} has been in service for the soak time")
        elif coming and all(self._lacks_requests(one) for one in coming):
            self._broken(15, f"{what} {machine.id} before {coming[0].id} has answered the requests asked of it")

    def _check_completed(self, ident: str) -> None:
        """Promise 12: what is called done is healthy everywhere in the last look, and runs the goal."""
        machine = self.world.machines[ident]
        goal = self.goal_of(machine, back=self.rolling_back)
        if machine.app.release != goal.name:
            self._broken(12, f"{ident} is called done with release {machine.app.release}, expected {goal.name}")
        if not self.shown.healthy(machine):
            self._broken(12, f"{ident} is called done, but is not healthy at every balancer")
        if self._lacks_requests(machine):
            wanted = self.plan.policy.min_requests
            self._broken(12, f"{ident} is called done with {machine.served:.0f} of {wanted} requests answered")

    def _lacks_requests(self, machine: Machine) -> bool:
        """Whether something new has not answered the requests asked of it; nobody asks on the way back."""
        changed = self._ours(machine) or bool(machine.installed)
        return changed and not self.rolling_back and machine.served < self.plan.policy.min_requests

    # -- small words ---------------------------------------------------------------------------------

    def _ours(self, machine: Machine) -> bool:
        return machine.id in self.launched_ids

    def goal_of(self, machine: Machine, *, back: bool) -> Release:
        """Where its slot is heading: on the way back to what it ran itself (promise 10)."""
        if not back:
            return self.plan.goal
        return self.plan.before_in(self._slot_of(machine) or machine.tags.get(Tag.SLOT, "")) or self.plan.previous

    def _must_be_due(self, what: str, machine: Machine) -> None:
        """Promise 10: turning back changes nobody whom the rollout has not changed, and who runs what it ran."""
        touched = self._ours(machine) or machine.installed or machine.id in self.given_up
        as_before = machine.healthy and machine.app.release == self.goal_of(machine, back=self.rolling_back).name
        as_before = as_before and self.shown.answered(machine)  # what is silent may run anything
        if self.rolling_back and not touched and self._slot_of(machine) is not None and as_before:
            self._broken(
                10, f"{machine.id} is {what} on the way back, and runs release {machine.app.release} still"
            )

    def _slot_of(self, machine: Machine) -> str | None:
        return next((slot.name for slot in self.plan.slots if slot.instance == machine.id), None)

    def _broken(self, promise: int, text: str) -> None:
        self.violations.append(Violation(promise, self.world.time.now, text))
