"""The guard: every move against the promises, before it is carried out. No strategy gets around it.

Pure. Each promise is one rule; a rule answers with the inequality that refuses the move, or None. Moves of
one tick are judged in order, each with the effects of those allowed before it. What a move does and needs is what
its class declares (`model.effects`); a move that declares nothing is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from deployer.model.effects import About, Does, Effect, Needs, Starts, effect_of
from deployer.model.fleet import TargetState
from deployer.model.holds import starts_barred
from deployer.model.moves import Move, Weigh, instance_of, slot_of
from deployer.model.observation import Observation, Seen, Slot, Work
from deployer.model.policy import Sabotage
from deployer.model.service import (
    Count,
    count,
    drain_missing,
    has_weight,
    in_service,
    is_fit,
    is_proven,
    takes_traffic,
)


@dataclass
class Tally:
    """What was counted, less what the moves allowed so far in this tick take away or add."""

    seen: Observation
    start: Count
    removed: set[str] = field(default_factory=set)
    launched: int = 0
    launched_slots: set[str] = field(default_factory=set)
    given_up: int = 0
    """How many instances this tick gives up on, wherever among its moves that stands."""
    doubted: frozenset[str] = frozenset()
    """Those of them that were in service and count no more, though they are sent traffic until they are drained."""

    @property
    def in_service(self) -> int:
        """How many were in service at the look, less those that this tick gives up on."""
        return self.start.in_service - len(self.doubted)

    def in_service_in(self, zone: str) -> int:
        """The same in a zone."""
        lost = sum(1 for ident in self.doubted if self.seen.by_id[ident][1].instance.zone == zone)
        return self.start.by_zone.get(zone, 0) - lost

    def removed_in(self, zone: str) -> int:
        """How many of those removed in this tick are in `zone`."""
        return sum(1 for ident in self.removed if self.seen.by_id[ident][1].instance.zone == zone)


@dataclass(frozen=True)
class Refusal:
    """Why a move is not carried out: the promise, and its inequality in numbers."""

    move: Move
    promise: int
    because: str


Rule: TypeAlias = Callable[[Tally, Move], str | None]


def _declared(move: Move) -> Effect:
    """What a move declares. Raises TypeError for one that declares nothing; `judge` has refused it before."""
    effect = effect_of(move)
    if effect is None:
        raise TypeError(_undeclared(move))
    return effect


def _undeclared(move: object) -> str:
    return f"{type(move).__name__} does not declare what it does to the fleet"


def _does(move: Move, what: Does) -> bool:
    return bool(_declared(move).does & what)


def _subject(tally: Tally, move: Move) -> Seen | None:
    """The instance that a move is about; None for another kind of move, and for one of no instance of the fleet."""
    ident = instance_of(move)
    return tally.seen.find(ident) if ident is not None else None


def _lowered(tally: Tally, move: Move) -> Seen | None:
    """The instance that a move takes out of service, if it does."""
    return _subject(tally, move) if _does(move, Does.LOWERS) else None


def _serving(tally: Tally, move: Move) -> Seen | None:
    one = _lowered(tally, move)
    if one is None or one.id in tally.removed | tally.doubted or not in_service(tally.seen, one):
        return None
    return one


def _leaving(tally: Tally, move: Move) -> tuple[Seen, int] | None:
    """The instance whose leaving is felt, and how much the count falls: not at all for one that balancers use
    though it is not believed in yet. That one too may go only while enough others are in service (promise 14)."""
    one = _lowered(tally, move)
    if one is None or one.id in tally.removed:
        return None
    if one.id in tally.doubted:
        return one, 0
    if in_service(tally.seen, one):
        return one, 1
    return (one, 0) if takes_traffic(tally.seen, one) else None


def floor_is_kept(tally: Tally, move: Move) -> str | None:
    """Promise 1: in service, less removals, never under the floor."""
    leaving = _leaving(tally, move)
    if leaving is None:
        return None
    left = tally.in_service - len(tally.removed) - leaving[1]
    if left >= tally.seen.limits.floor:
        return None
    return (
        f"{tally.in_service} in service - {len(tally.removed)} leaving - {leaving[1]} = {left} "
        f"< floor {tally.seen.limits.floor}"
    )


def zone_floor_is_kept(tally: Tally, move: Move) -> str | None:
    """Promise 2: the same in every zone where a floor is set."""
    leaving = _leaving(tally, move)
    if leaving is None:
        return None
    zone = leaving[0].instance.zone
    floor = tally.seen.limits.floor_of(zone)
    there, gone = tally.in_service_in(zone), tally.removed_in(zone)
    left = there - gone - leaving[1]
    if left >= floor:
        return None
    return f"{there} in service in {zone} - {gone} leaving - {leaving[1]} = {left} < zone floor {floor}"


def weights_keep_the_floor(tally: Tally, move: Move) -> str | None:
    """Promise 1 for a shift of traffic: what gets none of it any more is out of service."""
    if not isinstance(move, Weigh):
        return None
    left, floor = len(_fit_under(tally, move)), tally.seen.limits.floor
    if left - len(tally.removed) >= floor or left >= len(_felt(tally.seen)):
        return None
    return f"{left} fit where the weights send traffic - {len(tally.removed)} leaving < floor {floor}"


def weights_keep_the_zone_floors(tally: Tally, move: Move) -> str | None:
    """Promise 2 for a shift of traffic."""
    if not isinstance(move, Weigh):
        return None
    fit, felt = _fit_under(tally, move), _felt(tally.seen)
    for zone, floor in tally.seen.limits.zone_floor:
        left, now = (sum(1 for one in found if one.instance.zone == zone) for found in (fit, felt))
        gone = tally.removed_in(zone)
        if left - gone < floor and left < now:
            return f"{left} fit in {zone} where the weights send traffic - {gone} leaving < zone floor {floor}"
    return None


def _fit_under(tally: Tally, move: Weigh) -> list[Seen]:
    """Who may be counted on once the traffic is shared out so."""
    seen = tally.seen
    weights = {**seen.weights, **dict(move.weights)}
    fit = (one for _, one in seen.instances() if is_fit(seen, one) and has_weight(weights, one))
    return [one for one in fit if one.id not in tally.doubted]


def _felt(seen: Observation) -> list[Seen]:
    """Whose loss of traffic is felt: what balancers use now, though it may not be believed in yet."""
    return [one for _, one in seen.instances() if in_service(seen, one) or takes_traffic(seen, one)]


def surge_is_kept(tally: Tally, move: Move) -> str | None:
    """Promise 3: alive, launches of unknown outcome counted, never over fleet size + surge."""
    if not _does(move, Does.ADDS):
        return None
    size, surge = len(tally.seen.slots), tally.seen.limits.surge
    after = tally.start.alive + tally.launched + 1
    if after <= size + surge:
        return None
    return f"{tally.start.alive} alive + {tally.launched} launching + 1 = {after} > size {size} + surge {surge}"


def drained_before_change(tally: Tally, move: Move) -> str | None:
    """Promise 4: nothing is terminated, set aside or changed in place until every balancer has drained it."""
    one = _subject(tally, move) if Needs.DRAINED in _declared(move).needs else None
    if one is None or tally.seen.policy.sabotage is Sabotage.NO_DRAIN:
        return None
    missing = drain_missing(tally.seen, one)
    return None if missing is None else f"{one.id} is not drained: {missing[0]}"


def belongs_to_fleet(tally: Tally, move: Move) -> str | None:
    """Promise 8: only what belongs to the fleet is changed."""
    match _declared(move).about:
        case About.SLOT:
            name = slot_of(move)
            return None if name in tally.seen.by_name else f"the fleet has no slot {name}"
        case About.INSTANCE:
            return None if _subject(tally, move) else f"{instance_of(move)} does not belong to the fleet"
        case About.TARGET_GROUPS:
            known = {b.id for b in tally.seen.balancers} | set(tally.seen.weights)
            strange = [arn for arn, _ in _weights(move) if arn not in known]
            return f"{', '.join(strange)} is no balancer of the fleet" if strange else None
        case About.ANYTHING:
            return None
        case _ as never:
            assert_never(never)


def _weights(move: Move) -> Sequence[tuple[str, int]]:
    return move.weights if isinstance(move, Weigh) else ()


def nothing_sick_is_attached(tally: Tally, move: Move) -> str | None:
    """Promise 10: what goes (back) into service has answered its health path."""
    one = _subject(tally, move) if Needs.ANSWERED in _declared(move).needs else None
    if one is None:
        return None
    if not one.running:
        return f"{one.id} is {one.instance.state.value}, not running"
    if one.failed is not None and not one.unharmed:
        return f"{one.id} was given up on: {one.failed}"
    return None if one.answer is not None and one.answer.ok else f"{one.id} has not answered its health path"


def failures_stop_new_starts(tally: Tally, move: Move) -> str | None:
    """Promise 13: after more failures than allowed, or an alarm, no new instance is started on."""
    seen = tally.seen
    barred = starts_barred(seen, tally.given_up)
    if barred is None:
        return None
    match _declared(move).starts:
        case Starts.NEVER:
            return None
        case Starts.ALWAYS:
            return barred
        case Starts.IN_A_NEW_SLOT:
            slot = _slot(tally, move)
            return barred if slot is not None and not slot.begun else None
        case _ as never:
            assert_never(never)


def _slot(tally: Tally, move: Move) -> Slot | None:
    """The slot that a move is about, by its name or by its instance."""
    name, ident = slot_of(move), instance_of(move)
    if name is not None:
        return tally.seen.by_name.get(name)
    entry = tally.seen.by_id.get(ident) if ident is not None else None
    return entry[0] if entry is not None else None


def only_the_failed_are_kept(tally: Tally, move: Move) -> str | None:
    """Promise 9: a place keeps its instance; only one that was given up on leaves the fleet and stays running."""
    one = _subject(tally, move) if Needs.FAILED in _declared(move).needs else None
    return None if one is None or one.failed is not None else f"{one.id} has not failed"


def unknown_is_not_dead(tally: Tally, move: Move) -> str | None:
    """Promise 14: an instance of which a balancer says nothing is not terminated or changed."""
    one = _subject(tally, move) if Needs.DRAINED in _declared(move).needs else None
    if one is None or all(t.state is not TargetState.UNKNOWN for t in one.targets.values()):
        return None
    return f"the health of {one.id} is unknown, which is neither healthy nor dead"


def replacement_comes_first(tally: Tally, move: Move) -> str | None:
    """Promise 15: while a successor is on its way, old capacity stays until the successor is proven."""
    one = _serving(tally, move)
    if one is None or one.launched_by_us:
        return None
    slot = tally.seen.by_id[one.id][0]
    coming = [s for s in slot.alive if s.id != one.id and s.failed is None and tally.seen.on_goal(s)]
    if not coming or any(is_proven(tally.seen, s) and _stays(tally, s) for s in coming):
        return None
    return f"{one.id} stays until {coming[0].id} has been in service for {tally.seen.policy.soak:g} s"


def _stays(tally: Tally, one: Seen) -> bool:
    """Whether nothing was asked of it, before or in this tick, that takes it away again."""
    return one.expecting is None and one.id not in tally.removed | tally.doubted


def one_change_at_a_time(tally: Tally, move: Move) -> str | None:
    """Fault 7: nothing is asked of an instance before what was asked last has been seen."""
    if Needs.SETTLED not in _declared(move).needs:
        return None
    if _does(move, Does.ADDS):
        return _launched_already(tally, slot_of(move) or "")
    one = _subject(tally, move)
    return _asked_already(one) if one is not None else None


def _asked_already(one: Seen) -> str | None:
    if one.expecting is not None:
        return f"{one.id}: {one.expecting}"
    if one.work.order is not None and one.work.order_work is Work.RUNNING:
        return f"{one.id} is told to {one.work.order.value}; the answer is not there yet"
    return None


def _launched_already(tally: Tally, name: str) -> str | None:
    """Promise 9: a slot gets one successor, whatever is asked for and how often."""
    slot = tally.seen.by_name.get(name)
    if name in tally.launched_slots or (slot is not None and slot.launching > 0):
        return f"a launch in {name} is under way"
    there = [one for one in slot.alive if tally.seen.on_goal(one)] if slot is not None else []
    return f"{name} has {there[0].id} already" if there else None


RULES: tuple[tuple[int, Rule], ...] = (
    (8, belongs_to_fleet),
    (9, one_change_at_a_time),
    (9, only_the_failed_are_kept),
    (13, failures_stop_new_starts),
    (3, surge_is_kept),
    (14, unknown_is_not_dead),
    (4, drained_before_change),
    (15, replacement_comes_first),
    (1, floor_is_kept),
    (1, weights_keep_the_floor),
    (2, zone_floor_is_kept),
    (2, weights_keep_the_zone_floors),
    (10, nothing_sick_is_attached),
)
"""Promise number and rule, in the order in which they are asked."""

UNDECLARED = 1
"""The promise by which a move is refused that does not say what it does: it might take anything out of service."""


def judge(
    seen: Observation, moves: Sequence[Move], rules: Sequence[tuple[int, Rule]] = RULES
) -> tuple[list[Move], list[Refusal]]:
    """Sorts moves into those allowed and those refused, with the inequality that refused them."""
    failing = [move for move in moves if effect_of(move) is not None and _does(move, Does.FAILS)]
    tally = Tally(seen, count(seen), given_up=len(failing), doubted=_doubted(seen, failing))
    allowed: list[Move] = []
    refused: list[Refusal] = []
    for move in moves:
        refusal = _first_refusal(tally, move, rules)
        if refusal is not None:
            refused.append(refusal)
            continue
        allowed.append(move)
        _take_effect(tally, move)
    return allowed, refused


def _doubted(seen: Observation, failing: Sequence[Move]) -> frozenset[str]:
    """The instances that are in service now and are not any more once they are given up on."""
    found = (seen.find(ident) for ident in map(instance_of, failing) if ident is not None)
    return frozenset(
        one.id
        for one in found
        if one is not None and in_service(seen, one) and not in_service(seen, replace(one, failed="given up on"))
    )


def _first_refusal(tally: Tally, move: Move, rules: Sequence[tuple[int, Rule]]) -> Refusal | None:
    if effect_of(move) is None:
        return Refusal(move, UNDECLARED, _undeclared(move))
    for promise, rule in rules:
        because = rule(tally, move)
        if because is not None:
            return Refusal(move, promise, because)
    return None


def _take_effect(tally: Tally, move: Move) -> None:
    if _does(move, Does.ADDS):
        tally.launched += 1
        tally.launched_slots.add(slot_of(move) or "")
    one = _serving(tally, move)
    if one is not None:
        tally.removed.add(one.id)
