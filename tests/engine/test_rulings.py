"""What hooks and gates bring about in the loop: failure is acted on, an error stops, doubt pauses."""

from __future__ import annotations

import pytest

from deployer.engine.asking import FINAL_SOAK, THROUGHOUT, occasions_asked, standing_waits
from deployer.engine.turns import Back, Finish, Pause, Progress, Settle, Turn, next_turn
from deployer.model.moves import Wait
from deployer.model.observation import Stance
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.policy import OnFailure, Policy
from tests.builders import NOW, new, old, seen, slot

STEP = Occasion(Point.AFTER_STEP, "1")
FLEET = [slot("s", old("i-1"))]


def turn(rulings: dict[Occasion, Verdict], *, done_since: float | None = None, **more: object) -> Turn:
    """The turn of a fleet with these rulings."""
    said = {occasion: Ruling(verdict, "because") for occasion, verdict in rulings.items()}
    found = seen(FLEET, hooked=frozenset(one.point for one in rulings), rulings=said, **more)  # type: ignore[arg-type]
    return next_turn(found, Progress(NOW), asked_to_stop=False, done_since=done_since)


def test_failure_rolls_back_or_stops_as_the_policy_has_it_an_error_stops_and_doubt_pauses() -> None:
    reason = "after-step of 1: because"
    assert turn({STEP: Verdict.FAIL}) == Back(reason)
    assert turn({STEP: Verdict.FAIL}, policy=Policy(on_failure=OnFailure.STOP)) == Settle(reason)
    assert turn({STEP: Verdict.ERROR}) == Settle(reason)
    assert turn({STEP: Verdict.INCONCLUSIVE}) == Pause(reason)
    assert turn({STEP: Verdict.PENDING}) is None
    assert turn({STEP: Verdict.PASS}) is None


def test_the_worst_of_several_counts() -> None:
    found = turn({STEP: Verdict.INCONCLUSIVE, THROUGHOUT: Verdict.ERROR, FINAL_SOAK: Verdict.FAIL})
    assert found == Back("final-soak: because")


@pytest.mark.parametrize("point", [Point.BEFORE_ATTACH, Point.AFTER_ATTACH])
def test_the_failure_of_a_new_instance_at_its_arrival_is_its_own(point: Point) -> None:
    assert turn({Occasion(point, "i-1"): Verdict.FAIL}) is None


@pytest.mark.parametrize("more", [{"rolling_back": True}, {"stance": Stance.SETTLE}])
def test_nothing_that_a_hook_says_turns_the_way_back(more: dict[str, object]) -> None:
    assert not isinstance(turn({STEP: Verdict.FAIL}, **more), Back | Pause)


def test_a_rollout_ends_only_when_the_final_soak_agrees_and_its_way_back_without_asking() -> None:
    assert turn({FINAL_SOAK: Verdict.PENDING}, done_since=NOW - 1) is None
    assert turn({FINAL_SOAK: Verdict.PASS}, done_since=NOW - 1) == Finish()
    assert turn({FINAL_SOAK: Verdict.PENDING}, done_since=NOW - 1, rolling_back=True) == Finish()


def test_what_stands_is_asked_at_every_look_and_only_where_there_is_something_to_ask() -> None:
    everything = frozenset(Point)
    assert occasions_asked(seen(FLEET, hooked=everything), []) == [THROUGHOUT]
    done = seen([slot("s", new("i-1"))], hooked=everything)
    assert occasions_asked(done, []) == [THROUGHOUT, FINAL_SOAK]
    assert occasions_asked(seen(FLEET, hooked=everything), [Wait("x", "y", asks=STEP)]) == [STEP, THROUGHOUT]
    assert occasions_asked(seen(FLEET), [Wait("x", "y", asks=STEP)]) == []
    assert occasions_asked(seen(FLEET, hooked=everything, rolling_back=True), []) == []


def test_a_slot_that_has_arrived_waits_for_its_hooks_whatever_the_strategy_says() -> None:
    arrived = seen([slot("s", new("i-1"), begun=True)], hooked=frozenset({Point.AFTER_INSTANCE}))
    assert [wait.asks for wait in standing_waits(arrived)] == [Occasion(Point.AFTER_INSTANCE, "i-1")]
    assert list(standing_waits(seen([slot("s", new("i-1"), begun=True)]))) == []
