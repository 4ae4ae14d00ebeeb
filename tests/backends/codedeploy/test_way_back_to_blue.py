"""Traffic goes back to blue before green loses any, one look at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from deployer.backends.codedeploy.green import WayBack, launch, orders
from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.engine.ports import Cloud, LaunchOrder, Registration
from deployer.model.capacity import Limits
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Instance, TargetState, kept_tags
from deployer.model.observation import Observation
from deployer.model.outcome import Done, Outcome, Permanent
from deployer.model.policy import Policy
from tests.builders import GOAL, PREVIOUS, instance, new, old, seen, slot


@dataclass
class Notebook:
    """A cloud that notes what was asked of it."""

    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    refuse: str = ""

    def register(self, items: Sequence[Registration]) -> None:
        self.asked.append(("register", tuple(item.instance for item in items)))

    def deregister(self, items: Sequence[Registration]) -> None:
        self.asked.append(("deregister", tuple(item.instance for item in items)))

    def terminate(self, ids: Sequence[str]) -> None:
        self.asked.append(("terminate", tuple(ids)))

    def set_aside(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        self.asked.append(("set aside", (*ids, *tags.values())))

    def launch(self, wanted: Sequence[LaunchOrder]) -> Mapping[str, Outcome[Instance]]:
        return {
            order.token: Permanent("no room") if order.slot == self.refuse else Done(instance(f"i-{order.slot}"))
            for order in wanted
        }


def step(blue: TargetState, green: TargetState | None) -> tuple[bool, Notebook]:
    """One step with one blue and, unless it is gone, one green instance."""
    cloud = Notebook()
    there: list[Observation] = [
        seen([slot("s", old("i-b", blue), *([new("i-g", green)] if green is not None else []))])
    ]
    done = WayBack(cast("Cloud", cloud), frozenset({"i-b"}), frozenset({"i-g"})).step(there[0])
    return done, cloud


def test_blue_is_registered_first_where_it_is_missing() -> None:
    assert step(TargetState.ABSENT, TargetState.HEALTHY)[1].asked == [("register", ("i-b",))]


def test_green_keeps_its_traffic_until_blue_is_healthy() -> None:
    assert step(TargetState.INITIAL, TargetState.HEALTHY)[1].asked == []


def test_green_is_taken_out_then_drained_then_terminated() -> None:
    assert step(TargetState.HEALTHY, TargetState.HEALTHY)[1].asked == [("deregister", ("i-g",))]
    assert step(TargetState.HEALTHY, TargetState.DRAINING)[1].asked == []
    assert step(TargetState.HEALTHY, TargetState.ABSENT)[1].asked == [("terminate", ("i-g",))]


def test_green_that_failed_is_set_aside_when_it_is_to_be_kept() -> None:
    cloud, marks = Notebook(), kept_tags("web", "r-1")
    there = seen([slot("s", old("i-b"), new("i-g", TargetState.ABSENT))])
    way = WayBack(cast("Cloud", cloud), frozenset({"i-b"}), frozenset({"i-g"}), frozenset({"i-g"}), marks)
    assert not way.step(there)
    assert cloud.asked == [("set aside", ("i-g", "r-1", "web"))]
    assert way.step(seen([slot("s", old("i-b"))]))


def test_it_is_done_when_blue_serves_and_green_is_gone() -> None:
    done, cloud = step(TargetState.HEALTHY, None)

    assert done
    assert cloud.asked == []


PLAN = RolloutPlan(
    rollout="r-1",
    fleet="web",
    strategy="blue-green",
    strategy_settings={},
    previous=PREVIOUS,
    goal=GOAL,
    limits=Limits(2, 2, 2, 2),
    policy=Policy(),
    balancers=(),
    slots=(
        PlannedSlot("slot-1", "a", "subnet-a", "i-1", "t3.micro"),
        PlannedSlot("slot-2", "b", "subnet-b", "i-2", "t3.micro"),
    ),
)


def test_green_is_launched_like_the_instance_it_stands_in_for_and_says_whose_it_is() -> None:
    wanted = orders(PLAN, {"i-1": instance("i-1", image="ami-1"), "i-2": instance("i-2", image="ami-9")})

    assert [(o.slot, o.model, o.image, o.zone, o.subnet) for o in wanted] == [
        ("slot-1", "i-1", "ami-1", "a", "subnet-a"),
        ("slot-2", "i-2", "ami-9", "b", "subnet-b"),
    ]
    assert wanted[0].tags == {
        "deployer:fleet": "web",
        "deployer:rollout": "r-1",
        "deployer:slot": "slot-1",
        "deployer:side": "r-1-green",
    }
    again = orders(PLAN, {"i-1": instance("i-1", image="ami-1"), "i-2": instance("i-2", image="ami-9")})
    assert [o.token for o in again] == [o.token for o in wanted], "a repeated launch is the same launch"


def test_where_one_green_instance_cannot_be_had_the_others_go_again() -> None:
    cloud = Notebook(refuse="slot-2")
    wanted = orders(PLAN, {"i-1": instance("i-1"), "i-2": instance("i-2")})

    with pytest.raises(PreflightRefused, match="blue was not touched: no room"):
        launch(cast("Cloud", cloud), wanted)

    assert cloud.asked == [("terminate", ("i-slot-1",))]
