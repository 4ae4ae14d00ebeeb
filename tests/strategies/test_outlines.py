"""What a strategy will do is said beforehand, in numbers of this fleet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.loop import Decides
from deployer.model.capacity import Amount
from deployer.rollout.outline import steps_of
from deployer.strategies.blue_green import BlueGreen
from deployer.strategies.canary import Canary
from deployer.strategies.rolling import OneAtATime, Rolling, ZoneByZone
from deployer.strategies.traffic_canary import TrafficCanary
from deployer.strategies.way_back import WayBack
from tests.builders import planned

PLAN = planned(*(f"i-{number}" for number in range(8)))


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (
            Rolling((Amount(1), Amount(25, percent=True), Amount(50, percent=True))),
            "replace 1, then 2, then 4, then 1 of 8, each batch when the one before is done",
        ),
        (OneAtATime(), "replace 8 instances, one after the other"),
        (ZoneByZone(soak=30), "one availability zone after the other, each watched for 30 s"),
        (
            Canary(soak=60),
            "until 1, then 4, then 8 of 8 are new; what is new is watched for 60 s",
        ),
        (BlueGreen(keep=300), "launch all 8 beside the old ones, without traffic"),
        (TrafficCanary(), "give the new side 5%, then 25%, then 50%, then all of the traffic of 8"),
    ],
)
def test_a_plan_says_the_course_of_its_strategy(strategy: Decides, said: str) -> None:
    assert any(said in line for line in steps_of(PLAN, strategy, "ami-1"))


@pytest.mark.parametrize("strategy", [Rolling((Amount(25, percent=True),)), WayBack()])
def test_a_window_and_a_strategy_without_an_outline_are_told_by_the_method(strategy: Decides) -> None:
    plan = replace(PLAN, limits=replace(PLAN.limits, surge=2))
    assert steps_of(plan, strategy, "ami-1")[1].startswith("launch up to 2 extra, attach each when it answers")


def test_green_is_not_said_to_be_attached_one_by_one() -> None:
    assert not any("attach each" in line for line in steps_of(PLAN, BlueGreen(), "ami-1"))
