"""Hooks and gates in what the methods decide: who is held back, who is given up on, and who never is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.model.fleet import TargetState
from deployer.model.methods.room import Room
from deployer.model.methods.steps import bring_up, take_out
from deployer.model.moves import Attach, Drain, GiveUp, Move, Terminate, Wait
from deployer.model.observation import Observation, Slot, Stance
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.service import in_service, is_done, is_proven
from tests.builders import new, old, quiet, seen, slot


def hooked(slots: list[Slot], point: Point, verdict: Verdict | None, **more: object) -> Observation:
    """An observation with hooks at one point; `verdict` is what they say of `i-1`, None: not asked yet."""
    rulings = {} if verdict is None else {Occasion(point, "i-1"): Ruling(verdict, "because")}
    return seen(slots, hooked=frozenset({point}), rulings=rulings, **more)


def asked(move: Move | None) -> Occasion | None:
    """The occasion that a move waits for."""
    return move.asks if isinstance(move, Wait) else None


def test_a_new_instance_is_not_attached_before_its_hooks_have_passed() -> None:
    one = new("i-1", TargetState.ABSENT)
    waits = bring_up(hooked([slot("s", one)], Point.BEFORE_ATTACH, None), one)
    assert asked(waits) == Occasion(Point.BEFORE_ATTACH, "i-1")
    assert bring_up(hooked([slot("s", one)], Point.BEFORE_ATTACH, Verdict.PASS), one) == Attach("i-1")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR])
def test_a_new_instance_whose_hook_fails_is_given_up_on_with_the_reason(verdict: Verdict) -> None:
    one = new("i-1", TargetState.ABSENT)
    move = bring_up(hooked([slot("s", one)], Point.BEFORE_ATTACH, verdict), one)
    assert move == GiveUp("i-1", "before-attach: because")


def test_one_that_was_attached_is_neither_proven_nor_in_service_before_its_hooks_have_passed() -> None:
    one = new("i-1", attached_by_us=True)
    waiting = hooked([slot("s", one)], Point.AFTER_ATTACH, None)
    assert asked(bring_up(waiting, one)) == Occasion(Point.AFTER_ATTACH, "i-1")
    assert not is_proven(waiting, one)
    assert not in_service(waiting, one)
    passed = hooked([slot("s", one)], Point.AFTER_ATTACH, Verdict.PASS)
    assert bring_up(passed, one) is None
    assert in_service(passed, one)


def test_one_that_this_rollout_did_not_attach_needs_no_hook_after_it() -> None:
    one = new("i-1", attached_by_us=False)
    assert is_proven(hooked([slot("s", one)], Point.AFTER_ATTACH, None), one)


def test_an_instance_leaves_service_only_after_its_hooks_and_keeps_its_room_meanwhile() -> None:
    one, other = old("i-1"), old("i-2")
    waiting = hooked([slot("s", one), slot("t", other)], Point.BEFORE_DRAIN, None, floor=1)
    room = Room.of(waiting)
    assert asked(take_out(waiting, one, room)) == Occasion(Point.BEFORE_DRAIN, "i-1")
    second = take_out(waiting, other, room)
    assert isinstance(second, Wait)
    assert "floor" in second.reason
    passed = hooked([slot("s", one)], Point.BEFORE_DRAIN, Verdict.PASS)
    assert take_out(passed, one, Room.of(passed)) == Drain("i-1")


def test_a_hook_that_fails_before_a_drain_leaves_the_old_instance_in_service() -> None:
    one = old("i-1")
    failed = hooked([slot("s", one)], Point.BEFORE_DRAIN, Verdict.FAIL)
    move = take_out(failed, one, Room.of(failed))
    assert isinstance(move, Wait)
    assert move.asks is None
    assert in_service(failed, one)


def test_a_drained_instance_goes_only_after_its_hooks() -> None:
    one = quiet(old("i-1", TargetState.ABSENT))
    waiting = hooked([slot("s", one)], Point.AFTER_DRAIN, None)
    assert asked(take_out(waiting, one, Room.of(waiting))) == Occasion(Point.AFTER_DRAIN, "i-1")
    passed = hooked([slot("s", one)], Point.AFTER_DRAIN, Verdict.PASS)
    assert take_out(passed, one, Room.of(passed)) is None


def test_a_slot_that_this_rollout_changed_is_done_only_when_its_hooks_agree_and_any_other_at_once() -> None:
    one = new("i-1")
    waiting = hooked([slot("s", one, begun=True)], Point.AFTER_INSTANCE, None)
    assert not is_done(waiting, waiting.slots[0])
    untouched = hooked([slot("s", one)], Point.AFTER_INSTANCE, None)
    assert is_done(untouched, untouched.slots[0])


@pytest.mark.parametrize("more", [{"rolling_back": True}, {"stance": Stance.SETTLE}], ids=["way back", "to rest"])
def test_on_the_way_back_and_to_rest_a_failing_hook_holds_nothing_and_one_that_runs_is_waited_for(
    more: dict[str, object],
) -> None:
    one = old("i-1")
    failed = hooked([slot("s", one)], Point.BEFORE_DRAIN, Verdict.FAIL, **more)
    assert take_out(failed, one, Room.of(failed)) == Drain("i-1")
    fresh = new("i-1", TargetState.ABSENT)
    bad = hooked([slot("s", fresh)], Point.BEFORE_ATTACH, Verdict.FAIL, **more)
    assert bring_up(bad, fresh) == Attach("i-1")
    runs = hooked([slot("s", one)], Point.BEFORE_DRAIN, None, **more)
    assert asked(take_out(runs, one, Room.of(runs))) is not None


def test_without_hooks_nothing_is_looked_at() -> None:
    one = old("i-1")
    plain = replace(
        seen([slot("s", one)]), rulings={Occasion(Point.BEFORE_DRAIN, "i-1"): Ruling(Verdict.FAIL, "left over")}
    )
    assert take_out(plain, one, Room.of(plain)) == Drain("i-1")
    assert not isinstance(take_out(plain, quiet(old("i-1", TargetState.ABSENT)), Room.of(plain)), Terminate)
