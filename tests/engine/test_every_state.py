"""The guard in every state that a small fleet can come to, whatever is asked of it and whichever faults befall it.

A fleet of two or three slots in two zones is walked through: from each state every move of every kind is asked
for by itself, and all of them at once. What is allowed is held against what the balancers would see of it. What it
leads to, the world's own steps and up to two faults lead to the next states. EVERY_STATE=1 walks through more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import pytest

from deployer.engine.guard import judge
from deployer.model.effects import About, Does, effect_of
from deployer.model.fleet import TargetState
from deployer.model.moves import MOVES, GiveUp, Launch, Move, instance_of
from deployer.model.observation import Observation, Seen, Slot
from deployer.model.policy import Policy
from tests.builders import NOW, new, old, quiet, seen
from tests.engine.test_undeclared_moves import Standby

OLD, NEW = "old", "new"
ZONES = "aba"
SERVES, SICK, SILENT, UP, ASKED_IN, ASKED_OUT, DRAINING, OUT = (
    "serves",
    "sick",
    "silent",
    "up",
    "asked in",
    "asked out",
    "draining",
    "out",
)
NEXT = {ASKED_IN: SERVES, ASKED_OUT: DRAINING, DRAINING: OUT, SICK: SERVES, SILENT: SERVES}
"""What becomes of an instance by itself."""


@dataclass(frozen=True, order=True)
class Holder:
    """One instance in a slot, as it really is."""

    kind: str
    state: str
    failed: bool = False


@dataclass(frozen=True, order=True)
class Place:
    """One slot, as it really is."""

    begun: bool = False
    launching: bool = False
    holders: tuple[Holder, ...] = (Holder(OLD, SERVES),)


@dataclass(frozen=True)
class Fleet:
    """A state of the fleet: how it is, how many faults may still befall it, and how much was given up on."""

    places: tuple[Place, ...]
    faults: int
    failures: int = 0

    def key(self) -> tuple[object, ...]:
        """The same for fleets that differ only by which of the slots of a zone is which."""
        zones = tuple(
            tuple(sorted(place for place, zone in zip(self.places, ZONES, strict=False) if zone == z)) for z in "ab"
        )
        return zones, self.faults, self.failures


@dataclass(frozen=True)
class Limit:
    """What the fleet is held to."""

    floor: int
    surge: int
    zone_floor: tuple[tuple[str, int], ...]
    max_failures: int = 1


def observed(fleet: Fleet, limit: Limit) -> Observation:
    """What one look at the fleet shows."""
    slots = []
    for n, place in enumerate(fleet.places):
        zone = ZONES[n]
        holders = tuple(_shown(f"{n}-{holder.kind}", holder, zone) for holder in place.holders)
        slots.append(Slot(str(n), zone, holders, launching=int(place.launching), begun=place.begun))
    return seen(
        slots,
        floor=limit.floor,
        surge=limit.surge,
        zone_floor=dict(limit.zone_floor),
        policy=Policy(max_failures=limit.max_failures),
        failures=fleet.failures,
    )


def _shown(ident: str, holder: Holder, zone: str) -> Seen:
    make = old if holder.kind == OLD else new
    failed = "given up on" if holder.failed else None
    target = {
        SERVES: TargetState.HEALTHY,
        ASKED_OUT: TargetState.HEALTHY,
        SICK: TargetState.UNHEALTHY,
        SILENT: TargetState.UNKNOWN,
        DRAINING: TargetState.DRAINING,
    }.get(holder.state, TargetState.ABSENT)
    one = make(ident, target, zone=zone, failed=failed)
    match holder.state:
        case "asked in" | "asked out":
            return replace(one, expecting="asked; not seen yet", detached_since=None)
        case "draining":
            return replace(one, detached_since=NOW - 5, connections=3)
        case "out":
            return quiet(one)
        case _:
            return one


def serving(fleet: Fleet, zone: str | None = None) -> int:
    """How many really carry the fleet's traffic, in all or in a zone, and are not on their way out."""
    return sum(
        holder.state == SERVES and (holder.kind == OLD or not holder.failed)
        for place, where in zip(fleet.places, ZONES, strict=False)
        for holder in place.holders
        if zone in (None, where)
    )


def alive(fleet: Fleet) -> int:
    """How many there are that cost money, launches of unknown outcome among them."""
    return sum(place.launching + len(place.holders) for place in fleet.places)


def every_move(fleet: Fleet) -> list[Move]:
    """Every move of every kind on everything there is, and one that declares nothing."""
    moves: list[Move] = []
    for n, place in enumerate(fleet.places):
        moves.append(Launch(str(n)))
        for holder in place.holders:
            ident = f"{n}-{holder.kind}"
            moves.append(cast("Move", Standby(ident)))
            for kind in MOVES:
                if kind is GiveUp:
                    moves.append(GiveUp(ident, "why"))
                elif kind.effect.about is About.INSTANCE:
                    moves.append(kind(ident))  # type: ignore[call-arg,arg-type]
    return moves


def carried_out(fleet: Fleet, move: Move) -> Fleet:
    """The fleet after a move, as soon as the call has returned."""
    effect = effect_of(move)
    assert effect is not None
    ident = instance_of(move)
    n = int(ident.split("-")[0]) if ident is not None else int(move.slot)  # type: ignore[union-attr]
    place = fleet.places[n]
    place = replace(place, begun=place.begun or effect.begins)
    failures = fleet.failures
    if ident is None:
        place = replace(place, launching=True)
    else:
        kind = ident.split("-")[1]
        holder = next(one for one in place.holders if one.kind == kind)
        others = tuple(one for one in place.holders if one.kind != kind)
        after = _after(holder, effect.does)
        failures += after is not None and after.failed and not holder.failed
        place = replace(place, holders=tuple(sorted((*others, *([after] if after is not None else [])))))
    return replace(fleet, places=(*fleet.places[:n], place, *fleet.places[n + 1 :]), failures=failures)


def _after(holder: Holder, does: Does) -> Holder | None:
    if does & (Does.SETS_ASIDE | Does.ENDS):
        return None
    if does & Does.FAILS:
        return replace(holder, failed=True)
    if does & Does.ADMITS and holder.state in (UP, OUT, DRAINING):
        return replace(holder, state=ASKED_IN)
    if does & Does.WITHDRAWS and holder.state in (SERVES, SICK, SILENT):
        return replace(holder, state=ASKED_OUT)
    if does & Does.INSTALLS:
        return replace(holder, state=UP)
    return holder


def by_itself(fleet: Fleet) -> Iterator[Fleet]:
    """What the world does next: one step of one instance, or a fault."""
    for n, place in enumerate(fleet.places):
        for after, cost in _steps(place):
            if cost <= fleet.faults:
                places = (*fleet.places[:n], after, *fleet.places[n + 1 :])
                yield replace(fleet, places=places, faults=fleet.faults - cost)


def _steps(place: Place) -> Iterator[tuple[Place, int]]:
    if place.launching:
        yield replace(place, launching=False), 1  # it was never launched
        if all(holder.kind != NEW for holder in place.holders):
            yield replace(place, launching=False, holders=tuple(sorted((*place.holders, Holder(NEW, UP))))), 0
    for holder in place.holders:
        others = tuple(one for one in place.holders if one != holder)
        if holder.state in NEXT:
            yield replace(place, holders=tuple(sorted((*others, replace(holder, state=NEXT[holder.state]))))), 0
        if holder.state in (SERVES, UP):
            yield replace(place, holders=others), 1  # it dies
        if holder.state == SERVES:
            for bad in (SICK, SILENT):
                yield replace(place, holders=tuple(sorted((*others, replace(holder, state=bad))))), 1


def check(fleet: Fleet, limit: Limit, allowed: list[Move], after: Fleet) -> None:
    """What was allowed, held against what is really there before and after."""
    doubted = fleet
    for move in allowed:  # to give up on an instance is to say that it does not count, which nobody can refuse
        doubted = carried_out(doubted, move) if isinstance(move, GiveUp) else doubted
    if serving(after) < serving(doubted):
        assert serving(after) >= limit.floor, (fleet, allowed)
    for zone, floor in limit.zone_floor:
        if serving(after, zone) < serving(doubted, zone):
            assert serving(after, zone) >= floor, (fleet, allowed)
    for move in allowed:
        effect = effect_of(move)
        assert effect is not None, "what declares nothing is refused"
        if Does.ADDS in effect.does:
            assert alive(after) <= len(fleet.places) + limit.surge, (fleet, allowed)
            assert fleet.failures <= limit.max_failures, (fleet, move)
        _check_one(fleet, limit, move, effect.does)


def _check_one(fleet: Fleet, limit: Limit, move: Move, does: Does) -> None:
    ident = instance_of(move)
    if ident is None:
        return
    n, kind = ident.split("-")
    place = fleet.places[int(n)]
    holder = next(one for one in place.holders if one.kind == kind)
    if does & (Does.ENDS | Does.SETS_ASIDE | Does.INSTALLS):
        assert holder.state in (OUT, UP), (fleet, move)
    if Does.ADMITS in does:
        assert not holder.failed or holder.kind == OLD, (fleet, move)
    if does & (Does.ADMITS | Does.LOWERS):
        assert holder.state not in (ASKED_IN, ASKED_OUT), (fleet, move)
    if Does.WITHDRAWS in does and holder.kind == OLD and holder.state == SERVES:
        coming = [one for one in place.holders if one.kind == NEW and not one.failed]
        assert not coming or coming[0].state == SERVES, (fleet, move)
        assert place.begun or fleet.failures <= limit.max_failures, (fleet, move)


def walk(size: int, faults: int, limit: Limit) -> tuple[int, int]:
    """How many states were walked through, and how many moves were judged."""
    first = Fleet(tuple(Place() for _ in range(size)), faults)
    found, frontier, judged = {first.key()}, [first], 0
    while frontier:
        fleet = frontier.pop()
        look, moves = observed(fleet, limit), every_move(fleet)
        nexts = list(by_itself(fleet))
        for move in moves:
            allowed, _ = judge(look, [move])
            if allowed:
                after = carried_out(fleet, move)
                check(fleet, limit, allowed, after)
                if not _is_idle(fleet, move):
                    nexts.append(after)
        for order in (moves, moves[::-1]):
            allowed, _ = judge(look, order)
            after = fleet
            for move in allowed:
                after = carried_out(after, move) if _is_there(after, move) else after
            check(fleet, limit, allowed, after)
        judged += 3 * len(moves)
        for state in nexts:
            if state.key() not in found:
                found.add(state.key())
                frontier.append(state)
    return len(found), judged


def _is_there(fleet: Fleet, move: Move) -> bool:
    ident = instance_of(move)
    if ident is None:
        return True
    n, kind = ident.split("-")
    return any(one.kind == kind for one in fleet.places[int(n)].holders)


def _is_idle(fleet: Fleet, move: Move) -> bool:
    """What is judged and not gone after: giving up on what is well only multiplies states."""
    if not isinstance(move, GiveUp):
        return False
    n, kind = move.instance.split("-")
    holder = next(one for one in fleet.places[int(n)].holders if one.kind == kind)
    return holder.state != SICK or kind == OLD


STRICT = Limit(floor=1, surge=0, zone_floor=(("a", 1),))
ROOMY = Limit(floor=2, surge=1, zone_floor=(("a", 1), ("b", 1)))
EVERY = pytest.mark.skipif(not os.environ.get("EVERY_STATE"), reason="EVERY_STATE=1 walks through it")


@pytest.mark.parametrize(
    ("size", "faults", "limit", "states"),
    [
        (2, 2, STRICT, 2477),
        (3, 0, STRICT, 1194),
        pytest.param(2, 2, ROOMY, 12376, marks=EVERY),
        pytest.param(3, 2, STRICT, 55332, marks=EVERY),
    ],
)
def test_the_promises_hold_in_every_state_that_can_be_reached(
    size: int, faults: int, limit: Limit, states: int
) -> None:
    found, _ = walk(size, faults, limit)
    assert found == states
