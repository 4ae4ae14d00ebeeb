"""What cannot be seen in one look: since when, how often in a row, what was asked for, what was launched.

Everything here is either learnt again by looking on (health streaks, quiet times) or is in the journal
(launches, failures, what was begun), so a rollout that lost its memory goes on safely.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from deployer.engine.ports import LaunchOrder
from deployer.model.fleet import Instance, Release
from deployer.model.observation import Answer, Install, Stance, Work
from deployer.model.share import Share


class Asked(Enum):
    """What was last asked of an instance, until it is seen (fault 7)."""

    ATTACH = "asked to be attached; not seen yet"
    DRAIN = "asked to drain; not seen yet"
    TERMINATE = "asked to terminate; not seen yet"
    SET_ASIDE = "asked to leave the fleet; not seen yet"


@dataclass
class Facts:
    """What is remembered of one instance. Times are monotonic seconds."""

    phase: str = ""
    since: float = 0.0
    attached_at: float | None = None
    streak: int = 0
    streak_since: float = 0.0
    in_service_since: float | None = None
    was_in_service: bool = False
    detached_since: float | None = None
    quiet_since: float | None = None
    quiet_until: float | None = None
    connections: int | None = None
    counted_at: float | None = None
    shown: frozenset[int] = frozenset()
    """Ports on which its host has shown a connection, since something was installed on it last."""
    installed_at: float = 0.0
    ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Balancer → the ports it is registered with there, or was, as `Target.ports` has them."""
    touched: bool = False
    """Whether the rollout has taken it out of its balancers or put it in: `ports` stay as they were before."""
    sent_to: dict[str, frozenset[int]] = field(default_factory=dict)
    """Balancer → every port that it has been seen to send to on this instance."""
    requests: int | None = None
    """Answered since it was put into service; None while nothing was counted."""
    requests_total: int | None = None
    """What its host told last."""
    requests_detail: str = ""
    """Why its host could not tell."""
    answer: Answer | None = None
    well_at: float | None = None
    """When it last answered that it is well."""
    install: Install = field(default_factory=Install)
    staged: Install = field(default_factory=Install)
    lame_duck: Work = Work.NONE
    work: Share = field(default_factory=Share)
    updated: bool = False
    """Whether this rollout has begun to install something on it, by whichever process."""
    asked: Asked | None = None
    asked_until: float = 0.0
    failed: str | None = None
    ever_attached: bool = False
    attached_by_us: bool = False
    registered: dict[str, float] = field(default_factory=dict)
    """Balancers that it was not asked to leave → when each was last seen to have it."""
    taken_out: bool = False
    """Whether its journal tells that it left its balancers before this run, and was not put back."""
    last_seen: float = 0.0
    instance: Instance | None = None
    """As it was seen last, or as its launch described it before it was seen at all."""
    reachable: bool = True

    def take_back(self) -> None:
        """A worker that was asked to take no more work may take some again; no balancer shows that."""
        self.detached_since = self.quiet_since = self.quiet_until = None
        self.lame_duck = Work.NONE
        self.work = Share()
        self.taken_out = False


@dataclass
class SlotFacts:
    """What is remembered of one slot."""

    begun_at: float | None = None
    done_at: float | None = None
    attempt: int = 0
    pending: LaunchOrder | None = None
    pending_since: float = 0.0
    blocked: str | None = None
    blocked_until: float = 0.0
    zones_tried: tuple[str, ...] = ()
    launched: list[str] = field(default_factory=list)
    ports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Balancer → the ports that its last holder was registered with, before the rollout touched it."""


@dataclass
class Memory:
    """The memory of one rollout."""

    goal: Release
    previous: Release
    stance: Stance = Stance.ADVANCE
    rolling_back: bool = False
    turned_at: float = 0.0
    """When this process turned round, in monotonic seconds; 0 when it did not."""
    failures: int = 0
    forgiven: int = 0
    """How often somebody had the rollout go on after it had failed and asked."""
    denied: str = ""
    """What AWS denied this process: the stop that follows is not undone by asking again (fault 23)."""
    first_look: bool = True
    instances: dict[str, Facts] = field(default_factory=dict)
    slots: dict[str, SlotFacts] = field(default_factory=dict)
    slot_of: dict[str, str] = field(default_factory=dict)
    """Instance id → slot, for those that this rollout launched."""
    adopted: list[tuple[str, Instance]] = field(default_factory=list)
    """Slot and instance of what was found by its tags and is not in the journal yet."""
    weights: dict[str, int] = field(default_factory=dict)
    weights_since: float = 0.0

    def facts(self, instance: str) -> Facts:
        """The facts of an instance, made when there are none."""
        found = self.instances.get(instance)
        if found is None:
            found = self.instances[instance] = Facts()
        return found

    def slot(self, name: str) -> SlotFacts:
        """The facts of a slot, made when there are none."""
        found = self.slots.get(name)
        if found is None:
            found = self.slots[name] = SlotFacts()
        return found

    def begin(self, slot: str, now: float) -> None:
        """Marks a slot as begun: it is in flight from here on."""
        facts = self.slot(slot)
        if facts.begun_at is None:
            facts.begun_at = now
        facts.done_at = None

    def launched(self, slot: str, instance: Instance, now: float) -> None:
        """Adopts an instance that was launched for a slot."""
        facts = self.slot(slot)
        facts.pending = None
        facts.blocked = None
        if instance.id not in facts.launched:
            facts.launched.append(instance.id)
        self.slot_of[instance.id] = slot
        known = self.facts(instance.id)
        known.instance = instance
        known.last_seen = now

    def adopt(self, slot: str, instance: Instance) -> None:
        """Takes on what was launched for a slot by a call whose answer never came: found by its tags (fault 2)."""
        facts = self.slot(slot)
        facts.attempt += facts.pending is not None
        self.launched(slot, instance, self.facts(instance.id).last_seen)
        self.adopted.append((slot, instance))

    def forget_launch(self, slot: str) -> None:
        """Gives up on a launch whose outcome never became known; the next one has a token of its own."""
        facts = self.slot(slot)
        facts.pending = None
        facts.attempt += 1

    def ask(self, instance: str, asked: Asked, until: float) -> None:
        """Remembers what was asked of an instance, so that nothing else is until it shows."""
        facts = self.facts(instance)
        facts.asked = asked
        facts.asked_until = until
        facts.attached_by_us = asked is Asked.ATTACH

    def fail(self, instance: str, reason: str) -> None:
        """Gives an instance up and counts it, once."""
        facts = self.facts(instance)
        if facts.failed is None:
            facts.failed = reason
            self.failures += 1

    def forgive(self) -> None:
        """Counts failures anew: somebody who knows of them has the rollout go on.

        What failed to be updated in place is tried again; an instance that was launched and failed stays failed.
        """
        self.failures = 0
        self.forgiven += 1
        for ident, facts in self.instances.items():
            if ident not in self.slot_of:
                facts.failed = None

    def turn_back(self) -> None:
        """Turns the goal round: what was there before is where the fleet goes now (promise 10).

        Failures are counted anew. What failed to be updated in place gets its old release installed again;
        an instance that was launched and failed stays failed, since it is not on the new goal anyway.
        """
        self.goal, self.previous = self.previous, self.goal
        self.rolling_back = True
        self.stance = Stance.ADVANCE
        self.failures = 0
        for ident, facts in self.instances.items():
            if facts.install.work is not Work.RUNNING:
                facts.install = Install()
            facts.staged = Install()
            facts.attached_at = None
            facts.attached_by_us = False
            if ident not in self.slot_of:
                facts.failed = None
        for slot in self.slots.values():
            slot.done_at = None
            slot.blocked = None
