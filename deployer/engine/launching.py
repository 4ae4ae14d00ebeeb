"""Launching: orders with their tokens, and what becomes of each answer, lost ones included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from deployer.engine.claims import Claim
from deployer.engine.events import Failed, Watch
from deployer.engine.memory import Memory
from deployer.engine.plan import PlannedSlot, RolloutPlan, launch_token
from deployer.engine.ports import Clock, Cloud, LaunchOrder, Lease
from deployer.engine.scribe import Scribe
from deployer.model.fleet import Instance, Release, Tag
from deployer.model.moves import Launch
from deployer.model.observation import Observation, Stance
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown

CAPACITY_CODES = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "Unsupported",
    }
)
USED_TOKEN_CODES = frozenset({"IdempotentParameterMismatch", "IdempotentInstanceTerminated"})


@dataclass
class Launcher:
    """Starts instances for slots, each under a token of its own, so that nothing is launched twice."""

    plan: RolloutPlan
    memory: Memory
    cloud: Cloud
    lease: Lease
    clock: Clock
    watch: Watch
    scribe: Scribe

    def launch(self, seen: Observation, moves: Sequence[Launch]) -> None:
        """Launches one instance for each move."""
        self._send([self._order(seen, move) for move in moves])

    def note_adopted(self) -> None:
        """Writes down what was found by its tags: whoever puts a group back later counts by the journal."""
        while self.memory.adopted:
            slot, instance = self.memory.adopted[0]
            self.scribe.tell(Launch(slot), f"{instance.id} found", Done(instance), instance=instance.id)
            del self.memory.adopted[0]

    def pending(self) -> list[LaunchOrder]:
        """The launches whose answer was lost."""
        return [facts.pending for facts in self.memory.slots.values() if facts.pending is not None]

    def repeat(self) -> None:
        """Asks for those again, each with its own token (fault 2), as long as they are still wanted.

        One that is not wanted any more (the rollout has turned back, or too much has failed) may have been
        launched all the same: then it shows within the expectation and is taken on, else it is forgotten.
        """
        wanted = [order for order in self.pending() if self._is_wanted(order)]
        expectation = self.plan.policy.deadlines.expectation
        for order in self.pending():
            waited = self.clock.now() - self.memory.slot(order.slot).pending_since
            if order not in wanted and waited >= expectation:
                self.memory.forget_launch(order.slot)
                said = Permanent(f"not asked for again, and not seen within {expectation:g} s")
                self.scribe.tell(Launch(order.slot), said.reason, said)
        if wanted:
            self._send(wanted)

    def _is_wanted(self, order: LaunchOrder) -> bool:
        memory = self.memory
        may_start = memory.rolling_back or memory.failures <= self.plan.policy.max_failures
        same = order.image == self._goal_in(order.slot).image and order.instance_type == self._type_for(order.slot)
        return memory.stance is Stance.ADVANCE and same and may_start

    def _order(self, seen: Observation, move: Launch) -> LaunchOrder:
        facts = self.memory.slot(move.slot)
        planned = replace(self._planned(seen, move.slot), type=self._type_for(move.slot))
        place = self._place(planned, facts.zones_tried)
        goal = self._goal_in(move.slot)
        image = goal.image or ""
        order = LaunchOrder(
            slot=move.slot,
            token=launch_token(self.plan, place, image, facts.attempt),
            image=image,
            zone=place.zone,
            subnet=place.subnet,
            model=_model(seen, planned),
            tags={
                **dict(self.plan.tags),
                Tag.FLEET: self.plan.fleet,
                Tag.ROLLOUT: self.plan.rollout,
                Tag.SLOT: move.slot,
                Tag.RELEASE: goal.name,
                Tag.DIGEST: goal.digest,
                Tag.EPOCH: str(self.lease.epoch),
                Tag.CLAIM: Claim(self.plan.rollout, len(self.plan.slots)).value,
            },
            instance_type=planned.type,
        )
        facts.pending, facts.pending_since = order, self.clock.now()
        return order

    def _goal_in(self, slot: str) -> Release:
        """What is launched in a slot: the goal, and on the way back what the slot ran itself."""
        own = self.plan.before_in(slot) if self.memory.rolling_back else None
        return own or self.memory.goal

    def _type_for(self, name: str) -> str:
        """The instance type that goes into a slot; on the way back the one that it had."""
        first = next((slot.type for slot in self.plan.slots if slot.name == name), "")
        goal = self.memory.goal.instance_type
        if goal is None or (self.memory.rolling_back and first):
            return first or self.plan.slots[0].type
        return goal

    def _planned(self, seen: Observation, name: str) -> PlannedSlot:
        """The slot as planned, or, for one that came up in mid-rollout, as its occupant shows it."""
        for slot in self.plan.slots:
            if slot.name == name:
                return slot
        model = self.plan.slots[0]
        found = seen.by_name[name].occupants
        subnet = found[0].instance.subnet if found else model.subnet
        return PlannedSlot(name, seen.by_name[name].zone, subnet, model.instance, model.type)

    def _place(self, planned: PlannedSlot, tried: tuple[str, ...]) -> PlannedSlot:
        """The slot's own zone, or the next one that has not been found short of capacity (fault 8)."""
        if planned.subnet not in tried:
            return planned
        for other in self.plan.slots:
            if other.subnet not in tried:
                return PlannedSlot(planned.name, other.zone, other.subnet, planned.instance, planned.type)
        return planned

    def _send(self, orders: Sequence[LaunchOrder]) -> None:
        self.scribe.journal.append("intent", "launch", {"orders": [asdict(order) for order in orders]})
        outcomes = self.cloud.launch(orders)
        for order in orders:
            self._launched(order, outcomes.get(order.token, Unknown("no outcome was reported")))

    def _launched(self, order: LaunchOrder, outcome: Outcome[Instance]) -> None:
        now = self.clock.now()
        facts = self.memory.slot(order.slot)
        match outcome:
            case Done(value=instance):
                self.memory.launched(order.slot, instance, now)
                facts.attempt += 1
                facts.zones_tried = ()
                self.scribe.tell(
                    Launch(order.slot), f"{instance.id} launched in {order.zone}", outcome, instance=instance.id
                )
            case Temporary(reason=reason, code=code) if code in CAPACITY_CODES:
                facts.pending = None
                facts.attempt += 1
                facts.zones_tried = (*facts.zones_tried, order.subnet)
                if {slot.subnet for slot in self.plan.slots} <= set(facts.zones_tried):
                    facts.zones_tried = ()
                    self._block(order.slot, f"no capacity in any zone: {reason}", 30.0)
                self.scribe.tell(Launch(order.slot), reason, outcome)
            case Temporary(reason=reason, delay=delay):
                facts.pending = None
                self._block(order.slot, reason, delay)
                self.scribe.tell(Launch(order.slot), reason, outcome)
            case Permanent(reason=reason, code=code):
                facts.pending = None
                facts.attempt += 1
                if code not in USED_TOKEN_CODES:
                    self._launch_failed(order, reason)
                self.scribe.tell(Launch(order.slot), reason, outcome)
            case Unknown(reason=reason):
                self.scribe.tell(Launch(order.slot), reason, outcome)

    def _block(self, slot: str, reason: str, seconds: float) -> None:
        facts = self.memory.slot(slot)
        facts.blocked = reason
        facts.blocked_until = self.clock.now() + seconds

    def _launch_failed(self, order: LaunchOrder, reason: str) -> None:
        self._block(order.slot, reason, 30.0)
        self.memory.failures += 1
        self.scribe.journal.append("failure", order.slot, {"reason": reason})
        self.watch(Failed(order.slot, reason))


def _model(seen: Observation, planned: PlannedSlot) -> str:
    """The instance whose settings a new one takes over: the slot's own, or when that is gone another living one.

    Without surge the predecessor is terminated before its successor is launched, and after a crash nobody
    remembers its settings.
    """
    own = seen.find(planned.instance)
    if own is not None and own.alive:
        return planned.instance
    living = sorted((one for _, one in seen.instances() if one.alive), key=lambda one: one.launched_by_us)
    near = [one for one in living if one.instance.zone == planned.zone]
    return next((one.id for one in (*near, *living)), planned.instance)
