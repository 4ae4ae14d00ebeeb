"""When a rollout that settles is at rest, and whether it leaves its fleet safe."""

from __future__ import annotations

from dataclasses import replace

from deployer.engine.turns import Progress, Stop, Turn, next_turn, whole
from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.model.methods.work import settle
from deployer.model.moves import Drain, Move
from deployer.model.observation import Observation, Seen, Slot, Stance
from tests.builders import NOW, new, old, seen, slot


def planned(name: str, *occupants: Seen, begun: bool = False) -> Slot:
    """A slot that was there when the rollout was planned."""
    return replace(slot(name, *occupants, begun=begun), first_type="t3.micro")


def turn(fleet: Observation, *, last: float = NOW, asked_to_stop: bool = False) -> Turn:
    """What a rollout that settles does now."""
    return next_turn(
        replace(fleet, stance=Stance.SETTLE), Progress(last), asked_to_stop=asked_to_stop, done_since=None
    )


def test_a_rollout_does_not_end_on_a_look_that_lacks_part_of_an_answer() -> None:
    silent = old("i-2", TargetState.UNKNOWN)
    fleet = seen([planned("1", old("i-1")), planned("2", silent)])
    assert turn(fleet) is None
    assert turn(fleet, asked_to_stop=True) == Stop()
    assert turn(fleet, last=NOW - fleet.policy.deadlines.progress) == Stop()


def test_nor_before_what_is_shown_again_has_been_healthy_for_long_enough() -> None:
    back = old("i-2", in_service_since=None)
    assert turn(seen([planned("1", old("i-1")), planned("2", back)])) is None
    assert turn(seen([planned("1", old("i-1")), planned("2", replace(back, failed="sick"))])) == Stop()


def test_what_is_known_to_be_sick_and_a_balancer_that_says_nothing_are_not_waited_for() -> None:
    sick = planned("2", old("i-2", TargetState.UNHEALTHY))
    assert turn(seen([planned("1", old("i-1")), sick])) == Stop()
    silent = [planned(str(n), old(f"i-{n}", TargetState.UNKNOWN)) for n in range(2)]
    assert turn(seen(silent)) == Stop()


def test_what_others_launched_and_has_not_come_into_service_yet_is_no_part_of_the_fleet_that_is_left_whole() -> (
    None
):
    booting = old("i-9", TargetState.UNHEALTHY)
    assert whole(seen([planned("1", old("i-1")), slot("i-9", booting)]))
    for counted in (
        slot("i-9", replace(booting, was_in_service=True)),
        slot("i-9", replace(booting, launched_by_us=True)),
        slot("i-9", replace(booting, failed="never healthy")),
        slot("i-9", booting, begun=True),
        planned("2", booting),
        planned("2"),
    ):
        assert not whole(seen([planned("1", old("i-1")), counted]))


BLUE, GREEN = (Balancer(side, side, BalancerKind.ALB, 8080) for side in ("blue", "green"))


def moves_of(successor: Seen, weights: dict[str, int]) -> list[Move]:
    """What settling asks for of a slot whose occupants stand on two sides."""
    there = Target(TargetState.HEALTHY)
    before, after = replace(old("i-1"), targets={"blue": there}), replace(successor, targets={"green": there})
    fleet = seen([planned("1", before, after, begun=True)], balancers=(BLUE, GREEN), weights=weights)
    return settle(replace(fleet, stance=Stance.SETTLE))


def test_a_successor_whose_side_has_the_traffic_is_not_taken_out_for_a_predecessor_whose_side_has_none() -> None:
    unproven = replace(new("i-2"), answer=None)
    assert Drain("i-2") not in moves_of(unproven, {"blue": 0, "green": 100})
    assert Drain("i-2") in moves_of(unproven, {"blue": 100, "green": 0})
    assert Drain("i-2") in moves_of(unproven, {"blue": 50, "green": 50})
    assert Drain("i-2") in moves_of(replace(unproven, failed="sick"), {"blue": 0, "green": 100})
