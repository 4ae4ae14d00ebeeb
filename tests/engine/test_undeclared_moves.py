"""The guard judges by what a move declares, whatever move it is, and refuses one that declares nothing."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.engine.act import ranked
from deployer.engine.guard import judge
from deployer.model.effects import About, Does, Effect, Needs, Starts, effect_of
from deployer.model.moves import MOVES, Drain, Move, Wait
from deployer.model.observation import Observation
from deployer.model.service import count, drain_missing, in_service
from tests.builders import old, seen, slot
from tests.engine.test_guard import fleets


@dataclass(frozen=True)
class Standby:
    """A move that somebody added and said nothing more about."""

    instance: str


def as_move(move: object) -> Move:
    """What a plugin hands over is not checked by anybody's type checker."""
    return cast("Move", move)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    """Any declaration that does not contradict itself, of a move about an instance or a slot."""
    flags = [flag for flag in Does if flag is not Does.SHIFTS]
    does = Does.NOTHING
    for flag in draw(st.lists(st.sampled_from(flags), max_size=4)):
        does |= flag
    needs = Needs.NOTHING
    for need in draw(st.lists(st.sampled_from(list(Needs)), max_size=4)):
        needs |= need
    about = draw(st.sampled_from([About.INSTANCE, About.SLOT]))
    try:
        return Effect(
            about=about,
            does=does,
            needs=needs,
            starts=draw(st.sampled_from(Starts)),
            begins=draw(st.booleans()),
            rank=draw(st.integers(0, 20)),
        )
    except ValueError:
        return Effect(
            about=About.INSTANCE,
            does=Does.LOWERS,
            needs=Needs.SETTLED,
            starts=Starts.NEVER,
            begins=False,
            rank=7,
        )


@st.composite
def declared(draw: st.DrawFn, fleet: Observation) -> Move:
    """A move of a class of its own, about something of the fleet or nothing of it."""
    effect = draw(effects())
    kind = make_dataclass("Another", [(effect.about.value, str)], frozen=True, namespace={"effect": effect})
    known = [one.id for _, one in fleet.instances()]
    if effect.about is About.SLOT:
        known = [one.name for one in fleet.slots]
    return as_move(kind(draw(st.sampled_from([*known, "none"]))))


def test_a_fleet_is_not_emptied_by_a_move_that_nobody_knows() -> None:
    fleet = seen([slot(str(n), old(f"i-{n}")) for n in range(4)], floor=4)
    allowed, refused = judge(fleet, [as_move(Standby(f"i-{n}")) for n in range(4)])
    assert not allowed
    assert {refusal.because for refusal in refused} == {"Standby does not declare what it does to the fleet"}


@given(st.data())
def test_law_what_declares_nothing_is_refused_wherever_it_stands_and_whatever_rules_are_left(
    data: st.DataObject,
) -> None:
    fleet = data.draw(fleets())
    ids = [one.id for _, one in fleet.instances()] or ["none"]
    moves = [as_move(data.draw(st.sampled_from([Standby, Drain]))(one)) for one in ids]
    allowed, refused = judge(fleet, moves, rules=())
    assert all(isinstance(move, Drain) for move in allowed)
    assert [refusal.move for refusal in refused] == [move for move in moves if isinstance(move, Standby)]


def test_what_declares_nothing_is_not_carried_out_where_it_comes_past_the_guard() -> None:
    with pytest.raises(TypeError, match="Standby does not declare"):
        ranked([Drain("i-1"), as_move(Standby("i-1"))])


def test_moves_are_carried_out_by_the_rank_that_they_declare_and_a_wait_is_not() -> None:
    about = {About.SLOT: ("s",), About.INSTANCE: ("i-1",), About.TARGET_GROUPS: ((),), About.ANYTHING: ("s", "why")}
    moves = []
    for kind in reversed(MOVES):
        arguments = about[kind.effect.about]
        moves.append(kind(*arguments, "why") if kind.__name__ == "GiveUp" else kind(*arguments))  # type: ignore[arg-type]
    batches = ranked(moves)
    assert [batch[0].effect.rank for batch in batches] == sorted(
        kind.effect.rank for kind in MOVES if kind.effect.rank is not None
    )
    assert not any(isinstance(move, Wait) for batch in batches for move in batch)


@given(st.data())
def test_law_promises_hold_for_every_declaration(data: st.DataObject) -> None:
    """Floor, zone floor, surge, drains and what was asked last: held by what is declared, whatever it is called."""
    fleet = data.draw(fleets())
    moves = data.draw(st.lists(declared(fleet), max_size=10))
    allowed, refused = judge(fleet, moves)
    assert len(allowed) + len(refused) == len(moves)
    before = count(fleet)
    lowered: set[str] = set()
    added = 0
    for move in allowed:
        effect = effect_of(move)
        assert effect is not None
        added += Does.ADDS in effect.does
        if effect.about is not About.INSTANCE:
            assert getattr(move, "slot", None) in fleet.by_name
            continue
        one = fleet.find(move.instance)  # type: ignore[union-attr]
        assert one is not None, "only what belongs to the fleet"
        assert Needs.SETTLED not in effect.needs or one.expecting is None
        assert Needs.FAILED not in effect.needs or one.failed is not None
        assert Needs.ANSWERED not in effect.needs or (one.answer is not None and one.answer.ok)
        assert Needs.DRAINED not in effect.needs or drain_missing(fleet, one) is None
        if Does.LOWERS in effect.does and in_service(fleet, one):
            lowered.add(one.id)
    assert not lowered or before.in_service - len(lowered) >= fleet.limits.floor
    for zone, floor in fleet.limits.zone_floor:
        gone = sum(1 for ident in lowered if fleet.by_id[ident][1].instance.zone == zone)
        assert not gone or before.by_zone.get(zone, 0) - gone >= floor
    assert not added or before.alive + added <= len(fleet.slots) + fleet.limits.surge
