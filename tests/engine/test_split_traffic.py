"""Where traffic is split between two sides, a shift of it is a removal, and the rollout ends when it is whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.guard import judge
from deployer.model.fleet import Target, TargetState
from deployer.model.moves import Weigh
from deployer.model.observation import Observation, Seen
from deployer.model.service import is_complete, is_done
from tests.builders import new, old, seen, slot

OLD, NEW = "tg/shop", "tg/green"
ALL_NEW = Weigh(((NEW, 100), (OLD, 0)))


def green(ident: str, zone: str) -> Seen:
    return replace(new(ident, zone=zone), targets={NEW: Target(TargetState.HEALTHY)})


def fleet(*zones_of_green: str, weight: int = 0, zone_floor: dict[str, int] | None = None) -> Observation:
    """Two old instances in two zones, and new ones where they are said to be."""
    olds = [slot(zone, old(f"o-{zone}", zone=zone), zone=zone) for zone in "ab"]
    slots = [
        replace(one, occupants=(*one.occupants, green(f"n-{n}", zone)))
        for n, (one, zone) in enumerate(zip(olds, zones_of_green, strict=False))
    ]
    weights = {OLD: 100 - weight, NEW: weight}
    return seen(slots, floor=1, surge=2, zone_floor=zone_floor, sides=(OLD, NEW), weights=weights)


@pytest.mark.parametrize(
    ("zones", "refused"),
    [("ab", []), ("aa", [(2, "0 fit in b where the weights send traffic - 0 leaving < zone floor 1")])],
)
def test_a_shift_that_leaves_a_zone_under_its_floor_is_refused(zones: str, refused: list[tuple[int, str]]) -> None:
    found = judge(fleet(*zones, zone_floor={"a": 1, "b": 1}), [ALL_NEW])[1]
    assert [(one.promise, one.because) for one in found] == refused


def test_a_shift_that_takes_nobody_out_of_service_is_allowed_however_few_there_are() -> None:
    below = fleet("a", "b", weight=50)
    below = replace(below, limits=replace(below.limits, floor=9), slots=below.slots)
    assert judge(below, [Weigh(((NEW, 40), (OLD, 60)))])[0] == [Weigh(((NEW, 40), (OLD, 60)))]
    assert judge(below, [ALL_NEW])[1][0].promise == 1


def test_a_shift_away_from_those_that_were_given_up_on_and_serve_again_waits_for_enough_others() -> None:
    """They carry the traffic, so on the way back too few that are fit may not take it over."""
    failed = [replace(green(f"n-{zone}", zone), failed="turned sick") for zone in "abc"]
    slots = [slot(one.id, one) for one in failed]
    slots[0] = replace(slots[0], occupants=(*slots[0].occupants, old("o-a")))
    serving = seen(slots, floor=2, surge=3, sides=(OLD, NEW), weights={OLD: 0, NEW: 100})
    back = Weigh(((NEW, 0), (OLD, 100)))
    found = judge(serving, [back])[1]
    assert [(one.promise, one.because) for one in found] == [
        (1, "1 fit where the weights send traffic - 0 leaving < floor 2")
    ]
    by_zone = replace(serving, limits=replace(serving.limits, floor=0, zone_floor=(("b", 1),)))
    assert [one.promise for one in judge(by_zone, [back])[1]] == [2]
    assert judge(replace(serving, limits=replace(serving.limits, floor=1)), [back])[0] == [back]


def test_a_rollout_is_not_complete_while_the_other_side_gets_traffic_though_every_place_is_done() -> None:
    alone = [slot(zone, green(f"n-{zone}", zone), zone=zone) for zone in "ab"]
    split = seen(alone, sides=(OLD, NEW), weights={OLD: 75, NEW: 25})
    assert all(is_done(split, one) for one in alone)
    assert not is_complete(split)
    assert is_complete(replace(split, weights={OLD: 0, NEW: 100}))
