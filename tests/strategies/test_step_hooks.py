"""Hooks and gates around the steps of each strategy: what is waited for, under which name, and what goes on."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.model.capacity import Amount
from deployer.model.fleet import TargetState
from deployer.model.moves import Attach, Launch, Move, Wait
from deployer.model.observation import Observation, Slot
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.strategies.blue_green import BlueGreen
from deployer.strategies.canary import Canary
from deployer.strategies.rolling import OneAtATime, Rolling, ZoneByZone
from tests.builders import new, old, seen, slot

PASS = Ruling(Verdict.PASS)


def fleet(done: int, total: int = 4) -> list[Slot]:
    """Slots of which the first are on the goal."""
    news = [slot(f"s{n}", new(f"i-new{n}"), begun=True) for n in range(done)]
    return news + [slot(f"s{n}", old(f"i-{n}")) for n in range(done, total)]


def hooked(slots: Sequence[Slot], *points: Point, passed: Sequence[Occasion] = (), **more: object) -> Observation:
    """A fleet with hooks at these points; `passed` are the occasions that have."""
    return seen(list(slots), surge=4, hooked=frozenset(points), rulings=dict.fromkeys(passed, PASS), **more)


def asked(moves: Sequence[Move]) -> list[Occasion]:
    """The occasions that are waited for."""
    return [move.asks for move in moves if isinstance(move, Wait) and move.asks is not None]


def launches(moves: Sequence[Move]) -> int:
    """How many instances are launched."""
    return sum(isinstance(move, Launch) for move in moves)


BEFORE_1, AFTER_1 = Occasion(Point.BEFORE_STEP, "1"), Occasion(Point.AFTER_STEP, "1")


def test_a_canary_asks_before_its_first_step_and_begins_when_that_has_passed() -> None:
    strategy = Canary((Amount(1),))
    assert asked(strategy.decide(hooked(fleet(0), Point.BEFORE_STEP))) == [BEFORE_1]
    assert launches(strategy.decide(hooked(fleet(0), Point.BEFORE_STEP, passed=[BEFORE_1]))) == 1


def test_a_canary_asks_between_its_steps_and_goes_on_when_that_has_passed() -> None:
    strategy = Canary((Amount(1),))
    waiting = strategy.decide(hooked(fleet(1), Point.AFTER_STEP))
    assert asked(waiting) == [AFTER_1]
    assert launches(waiting) == 0
    assert launches(strategy.decide(hooked(fleet(1), Point.AFTER_STEP, passed=[AFTER_1]))) > 0


def test_a_canary_does_not_ask_before_a_step_that_is_under_way() -> None:
    strategy = Canary((Amount(2),))
    under_way = [slot("s0", old("i-0"), begun=True), *fleet(0)[1:]]
    assert asked(strategy.decide(hooked(under_way, Point.BEFORE_STEP))) == []


def test_rolling_slides_without_hooks_around_steps_and_goes_batch_by_batch_with_them() -> None:
    strategy = Rolling((Amount(2),))
    sliding = strategy.decide(seen(fleet(1), surge=4, window=2))
    assert launches(sliding) == 2
    batched = strategy.decide(hooked(fleet(1), Point.AFTER_STEP, window=2))
    assert launches(batched) == 1
    held = strategy.decide(hooked(fleet(2), Point.AFTER_STEP, window=2))
    assert asked(held) == [Occasion(Point.AFTER_STEP, "batch 1")]


def test_one_at_a_time_asks_after_each_instance() -> None:
    assert asked(OneAtATime().decide(hooked(fleet(1), Point.AFTER_STEP))) == [
        Occasion(Point.AFTER_STEP, "instance 1")
    ]


def test_zone_by_zone_asks_around_each_zone_and_not_after_the_last() -> None:
    zones = [slot("s0", new("i-0"), begun=True, zone="a"), slot("s1", old("i-1", zone="b"), zone="b")]
    strategy = ZoneByZone()
    assert asked(strategy.decide(hooked(zones, Point.AFTER_STEP))) == [Occasion(Point.AFTER_STEP, "a")]
    after_a = Occasion(Point.AFTER_STEP, "a")
    both = hooked(zones, Point.AFTER_STEP, Point.BEFORE_STEP, passed=[after_a])
    assert asked(strategy.decide(both)) == [Occasion(Point.BEFORE_STEP, "b")]
    assert asked(strategy.decide(hooked(fleet(4), Point.AFTER_STEP))) == []


def test_blue_green_asks_when_green_answers_and_before_it_gets_any_traffic() -> None:
    green = [
        slot(f"s{n}", old(f"i-{n}"), new(f"i-g{n}", TargetState.ABSENT, in_service_since=None), begun=True)
        for n in range(2)
    ]
    occasion = Occasion(Point.AFTER_STEP, "green")
    waiting = BlueGreen().decide(hooked(green, Point.AFTER_STEP))
    assert asked(waiting) == [occasion]
    assert not any(isinstance(move, Attach) for move in waiting)
    going = BlueGreen().decide(hooked(green, Point.AFTER_STEP, passed=[occasion]))
    assert sum(isinstance(move, Attach) for move in going) == 2
