"""What balancers use and the engine does not believe in yet is not free to take (promises 1 and 14)."""

from __future__ import annotations

from dataclasses import replace

from deployer.engine.guard import judge
from deployer.model.moves import Drain, GiveUp, Launch
from deployer.model.observation import Answer, Observation, Seen
from tests.builders import NOW, new, old, seen, slot


def fleet(unsure: Seen, *, floor: int) -> Observation:
    """One instance in service and one that is not counted on."""
    return seen([slot("0", unsure), slot("1", old("i-1"))], floor=floor)


def test_one_that_was_healthy_in_a_single_look_goes_only_while_enough_others_are_in_service() -> None:
    unsure = old("i-0", in_service_since=None)
    _, refused = judge(fleet(unsure, floor=2), [Drain("i-0")])
    assert [(one.promise, one.because) for one in refused] == [
        (1, "1 in service - 0 leaving - 0 = 1 < floor 2"),
    ]
    assert judge(fleet(unsure, floor=1), [Drain("i-0")])[0] == [Drain("i-0")]


def test_one_that_was_given_up_on_and_serves_again_is_not_free_either() -> None:
    again = new("i-0", failed="turned sick")
    assert judge(fleet(again, floor=2), [Drain("i-0")])[1][0].promise == 1


def test_one_that_answers_with_a_release_that_nobody_asked_for_may_always_go() -> None:
    strange = new("i-0", failed="wrong release", answer=Answer(ok=True, at=NOW, release="0"))
    assert judge(fleet(strange, floor=2), [Drain("i-0")])[0] == [Drain("i-0")]


def test_what_a_tick_gives_up_on_counts_before_its_other_moves_wherever_it_stands() -> None:
    slots = [slot("0", old("i-0"), new("i-9", in_service_since=None), begun=True), slot("1", old("i-1"))]
    observation = replace(seen(slots, surge=2), failures=0)
    _, refused = judge(observation, [Launch("1"), GiveUp("i-9", "never healthy")])
    assert [(one.move, one.promise) for one in refused] == [(Launch("1"), 13)]
