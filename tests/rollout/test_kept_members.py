"""A member that failed and is kept leaves its group with its place, and nothing is launched for it."""

from __future__ import annotations

import pytest

from deployer.aws.ec2 import as_instance
from deployer.aws.leftovers import AwsLeftovers
from deployer.engine.loop import Ending
from deployer.model.fleet import InstanceState, Tag, kept_tags
from deployer.model.outcome import Done, Outcome, Temporary
from deployer.rollout.group.footing import GroupFooting
from tests.lab.autoscaling.fleet import POOL, Auto, until
from tests.rollout.grouped import Grouped, QuietCloud

MARKS = kept_tags("web", "r-1")


def intend(grouped: Grouped, instance: str) -> None:
    """The intent as the engine journals it."""
    grouped.journal.append("intent", "tick", {"moves": [{"move": "SetAside", "instance": instance}]})


def set_aside(grouped: Grouped, footing: GroupFooting, instance: str) -> Outcome[None]:
    """Has an instance set aside, as often as it takes: a group that is busy says so."""
    intend(grouped, instance)
    (outcome,) = footing.cloud.set_aside([instance], MARKS).values()
    return outcome


def test_a_member_that_is_kept_leaves_the_group_with_its_place_and_runs_on(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=3, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    made = grouped.launch(footing, "slot-0")
    grouped.attach(footing, made)
    auto.settled(3)

    assert isinstance(set_aside(grouped, footing, made), Done)
    until(lambda: made not in auto.states(), f"{made} is no member")
    assert made not in {one.id for one in footing.cloud.look().instances}
    footing.conclude(Ending.ROLLED_BACK)

    shown = auto.described()
    assert (shown["MinSize"], shown["MaxSize"], shown["DesiredCapacity"]) == (2, 3, 2)
    assert sorted(auto.settled(2)) == sorted(grouped.members)
    raw = auto.instance(made)
    assert raw["State"]["Name"] == "running"
    assert as_instance(raw).tags[Tag.KEPT] == "r-1"
    assert [one.id for one in AwsLeftovers(grouped.group.session).kept("web")] == [made]
    subjects = [record.subject for record in grouped.journal.lines if record.kind == "outcome"]
    assert subjects.count("SetAside") == 1, "the detachment has an audit record of its own"


def test_one_that_is_kept_may_go_though_the_minimum_is_the_size(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    assert isinstance(set_aside(grouped, footing, grouped.members[0]), Done)
    until(lambda: grouped.members[0] not in auto.states(), "no member")
    assert footing.cloud.look().released == frozenset(), "its place is still the fleet's to fill"
    grouped.attach(footing, grouped.launch(footing, "slot-0"))
    footing.conclude(Ending.REACHED)
    shown = auto.described()
    assert (shown["MinSize"], shown["MaxSize"], shown["DesiredCapacity"]) == (2, 2, 2)


def test_one_that_was_never_attached_is_only_marked(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=3, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    made = grouped.launch(footing, "slot-0")
    assert isinstance(set_aside(grouped, footing, made), Done)
    footing.conclude(Ending.ROLLED_BACK)
    assert auto.described()["DesiredCapacity"] == 2
    assert [one.id for one in AwsLeftovers(grouped.group.session).kept("web")] == [made]


@pytest.mark.parametrize("resumed", [False, True])
def test_what_was_detached_and_not_yet_marked_is_still_the_fleets_to_mark(auto: Auto, resumed: bool) -> None:
    auto.group(desired=2, least=2, most=3, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    made = grouped.launch(footing, "slot-0")
    grouped.attach(footing, made)
    auto.settled(3)
    cloud = footing.cloud.inner
    assert isinstance(cloud, QuietCloud)
    cloud.tags_are_throttled = True
    assert isinstance(set_aside(grouped, footing, made), Temporary)
    cloud.tags_are_throttled = False
    until(lambda: made not in auto.states(), f"{made} is no member")

    footing = grouped.start() if resumed else footing
    there = {one.id: one.state for one in footing.cloud.look().instances}
    assert there[made] is InstanceState.RUNNING
    assert isinstance(set_aside(grouped, footing, made), Done)
    assert made not in {one.id for one in footing.cloud.look().instances}
    footing.conclude(Ending.ROLLED_BACK)
    assert auto.described()["DesiredCapacity"] == 2
