"""What each strategy wants, from one observation: the phase is read off what is seen."""

from __future__ import annotations

from dataclasses import replace

from deployer.model.capacity import Amount
from deployer.model.fleet import TargetState
from deployer.model.moves import Attach, Drain, GiveUp, Launch, Terminate, Update, Wait, Weigh
from deployer.model.observation import Answer, Install, Observation, Work
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.strategies.blue_green import BlueGreen
from deployer.strategies.canary import Canary
from deployer.strategies.rolling import OneAtATime, Rolling, ZoneByZone
from deployer.strategies.traffic_canary import TrafficCanary
from deployer.strategies.way_back import WayBack
from tests.builders import GOAL, NOW, PREVIOUS, in_place, installed, new, old, quiet, seen, slot


def launches(moves: object) -> list[str]:
    return [move.slot for move in moves if isinstance(move, Launch)]  # type: ignore[attr-defined]


def four_old(**more: object) -> Observation:
    slots = [slot(str(n), old(f"i-{n}", zone="ab"[n % 2]), zone="ab"[n % 2]) for n in range(4)]
    return seen(slots, surge=4, window=2, **more)  # type: ignore[arg-type]


def test_rolling_starts_as_many_as_its_window_has_and_no_more() -> None:
    assert len(launches(Rolling().decide(four_old()))) == 2
    assert len(launches(OneAtATime().decide(four_old()))) == 1


def test_rolling_starts_the_next_as_soon_as_one_is_done_without_waiting_for_its_batch() -> None:
    slots = [
        slot("0", new("n-0"), begun=True),
        slot("1", old("i-1"), new("n-1", TargetState.INITIAL), begun=True),
        slot("2", old("i-2")),
        slot("3", old("i-3")),
    ]
    assert launches(Rolling().decide(seen(slots, window=2, surge=2))) == ["2"]


def test_without_surge_a_predecessor_makes_way_only_as_far_as_the_floor_allows() -> None:
    moves = Rolling().decide(replace(four_old(), limits=replace(four_old().limits, surge=0, floor=3)))
    assert sum(isinstance(move, Drain) for move in moves) == 1
    assert sum(isinstance(move, Wait) for move in moves) == 1


def test_free_capacity_goes_first() -> None:
    slots = [slot("0", old("i-0")), slot("1", old("i-1", TargetState.UNHEALTHY)), slot("2")]
    assert launches(Rolling().decide(seen(slots, window=2, surge=3))) == ["1", "2"]


def test_the_slowest_expected_starts_first() -> None:
    fleet = four_old(expected_seconds={"3": 90.0, "1": 60.0})
    assert launches(Rolling().decide(fleet)) == ["3", "1"]


def test_growing_batches_wait_for_the_one_before() -> None:
    strategy = Rolling((Amount(1), Amount(2)))
    assert len(launches(strategy.decide(four_old()))) == 1
    one_done = seen([slot("0", new("n-0"), begun=True), *four_old().slots[1:]], window=2, surge=4)
    assert len(launches(strategy.decide(one_done))) == 2


def test_zone_by_zone_leaves_the_other_zones_alone() -> None:
    moves = ZoneByZone().decide(four_old())
    assert launches(moves) == ["0", "2"]


def test_a_canary_waits_at_each_step_for_its_soak_and_its_gates() -> None:
    canary = Canary((Amount(1), Amount.ALL), soak=500.0)
    watched = seen([slot("0", new("n-0"), begun=True), *four_old().slots[1:]], window=2, surge=4)
    [wait] = canary.decide(watched)
    assert isinstance(wait, Wait)
    assert wait.until == NOW - 100 + 500
    ready = Canary((Amount(1), Amount.ALL))
    assert len(launches(ready.decide(watched))) == 2
    said = {Occasion(Point.AFTER_STEP, "1"): Ruling(Verdict.INCONCLUSIVE, "too few requests")}
    [held] = ready.decide(replace(watched, hooked=frozenset({Point.AFTER_STEP}), rulings=said))
    assert isinstance(held, Wait)
    assert "inconclusive" in held.reason


def test_green_is_attached_only_when_all_of_it_is_ready() -> None:
    ready = new("n-0", TargetState.ABSENT)
    booting = new("n-1", TargetState.ABSENT, answer=None, since=NOW)
    half = seen([slot("0", old("i-0"), ready), slot("1", old("i-1"), booting)], surge=2)
    assert not any(isinstance(move, Attach) for move in BlueGreen().decide(half))
    whole = seen(
        [slot("0", old("i-0"), ready), slot("1", old("i-1"), replace(ready, instance=booting.instance))], surge=2
    )
    assert sum(isinstance(move, Attach) for move in BlueGreen().decide(whole)) == 2


def test_blue_is_drained_when_green_is_proven_and_kept_for_as_long_as_asked() -> None:
    both = seen([slot("0", old("i-0"), new("n-0"))], surge=1)
    assert BlueGreen(keep=60.0).decide(both) == [Drain("i-0")]
    drained = replace(quiet(old("i-0", TargetState.DRAINING)), detached_since=NOW - 30)
    kept = seen([slot("0", drained, new("n-0"))], surge=1)
    assert all(isinstance(move, Wait) for move in BlueGreen(keep=60.0).decide(kept))
    assert BlueGreen(keep=10.0).decide(kept) == [Terminate("i-0")]


SIDES = {"sides": ("tg/shop", "tg/green"), "weights": {"tg/shop": 100, "tg/green": 0}}


def test_traffic_is_shifted_step_by_step_when_the_new_side_can_carry_its_share() -> None:
    strategy = TrafficCanary((Amount(25, percent=True),), soak=30.0)
    assert launches(strategy.decide(four_old(**SIDES))) == ["0"]
    one = seen([slot("0", old("i-0"), new("n-0")), *four_old().slots[1:]], surge=4, **SIDES)  # type: ignore[arg-type]
    assert strategy.decide(one) == [Weigh((("tg/green", 25), ("tg/shop", 75)))]
    shifted = replace(one, weights={"tg/shop": 75, "tg/green": 25}, weights_since=NOW - 10)
    [wait] = strategy.decide(shifted)
    assert isinstance(wait, Wait)
    assert wait.until == NOW + 20
    assert launches(strategy.decide(replace(shifted, weights_since=NOW - 60))) == ["1", "2", "3"]


def test_the_way_back_gives_the_old_side_its_traffic_before_it_takes_anything_away() -> None:
    fleet = seen(
        [slot("0", old("i-0"), new("n-0"), begun=True)],
        surge=1,
        sides=("tg/shop", "tg/green"),
        weights={"tg/shop": 0, "tg/green": 100},
        goal=PREVIOUS,
        previous=GOAL,
        rolling_back=True,
    )
    assert list(WayBack().decide(fleet)) == [Weigh((("tg/green", 0), ("tg/shop", 100)))]


def test_the_way_back_attaches_what_is_still_there_instead_of_launching() -> None:
    drained = old("i-0", TargetState.ABSENT, detached_since=NOW - 50)
    fleet = seen(
        [slot("0", drained, new("n-0"), begun=True)], goal=PREVIOUS, previous=GOAL, rolling_back=True, surge=1
    )
    assert list(WayBack().decide(fleet)) == [Attach("i-0")]


def test_on_the_way_back_an_installation_of_the_way_forward_is_waited_for_and_says_nothing_of_the_old_release() -> (
    None
):
    out = replace(quiet(old("i-0", TargetState.ABSENT)), answer=Answer(ok=False, at=NOW))
    going_back = {"policy": in_place(), "goal": PREVIOUS, "previous": GOAL, "rolling_back": True}
    running = installed(out, Install(Work.RUNNING, "digest-2", release="2"))
    [wait] = WayBack().decide(seen([slot("0", running, begun=True)], **going_back))  # type: ignore[arg-type]
    assert isinstance(wait, Wait)
    failed = installed(out, Install(Work.FAILED, "digest-2", "exit 1", release="2"))
    assert WayBack().decide(seen([slot("0", failed, begun=True)], **going_back)) == [Update("i-0")]  # type: ignore[arg-type]
    again = installed(out, Install(Work.FAILED, "digest-1", "exit 1", release="1"))
    [gave_up] = WayBack().decide(seen([slot("0", again, begun=True)], **going_back))  # type: ignore[arg-type]
    assert isinstance(gave_up, GiveUp)
