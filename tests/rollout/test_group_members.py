"""Who is a member of an Auto Scaling group during a rollout, and how many there are: by us, and by others."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.aws.discovery import find_fleet
from deployer.aws.groups import as_the_group_has_it
from deployer.aws.query import FleetQuery
from deployer.engine.loop import Ending
from deployer.model.fleet import InstanceState
from deployer.rollout.undo import SIZE
from tests.lab.autoscaling.fleet import POOL, Auto, until
from tests.rollout.grouped import Grouped, fitted_out, protected


def size(auto: Auto, desired: int) -> None:
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=desired)


def test_replacements_become_members_and_the_desired_capacity_ends_where_it_was(auto: Auto) -> None:
    auto.group(desired=3, least=3, most=3, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    made = grouped.roll(grouped.start())
    assert sorted(auto.settled(3)) == sorted(made)
    assert auto.described()["DesiredCapacity"] == 3


def test_an_old_member_may_go_first_though_the_minimum_is_the_size(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.terminate(footing, grouped.members[0])
    auto.gone(grouped.members[0])
    grouped.attach(footing, grouped.launch(footing, "slot-0"))
    footing.conclude(Ending.REACHED)
    shown = auto.described()
    assert (shown["MinSize"], shown["MaxSize"], shown["DesiredCapacity"]) == (2, 2, 2)


def test_a_gap_that_a_failed_rollout_leaves_is_filled_by_the_group_with_the_old_image(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.terminate(footing, grouped.members[0])
    footing.conclude(Ending.NEEDS_A_HAND)
    new = next(one for one in auto.settled(2) if one not in grouped.members)
    assert auto.instance(new)["ImageId"] == auto.lab.image
    assert auto.described()["DesiredCapacity"] == 2


def test_a_worker_fleet_has_its_replacements_made_members_before_the_old_go(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto, workers=True)
    footing = grouped.start()
    made = grouped.launch(footing, "slot-0")
    grouped.terminate(footing, grouped.members[0])
    footing.conclude(Ending.REACHED)
    assert auto.settled(1) == [made]


def test_one_that_was_launched_and_never_attached_is_no_matter_of_the_group(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    failed = grouped.launch(footing, "slot-0")
    grouped.terminate(footing, failed)
    footing.conclude(Ending.ROLLED_BACK)
    assert auto.described()["DesiredCapacity"] == 1
    assert auto.settled(1) == grouped.members


def seen(footing: Any) -> dict[str, tuple[InstanceState, str]]:
    return {one.id: (one.state, one.lifecycle) for one in footing.cloud.look().instances}


def test_a_scale_out_in_mid_rollout_launches_the_new_image_and_is_seen(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    footing = grouped.start()
    size(auto, 2)
    new = next(one for one in auto.settled(2) if one not in grouped.members)
    assert auto.instance(new)["ImageId"] == grouped.image
    assert seen(footing)[new] == (InstanceState.RUNNING, "InService")


def test_one_that_is_scaled_in_is_released_and_one_that_dies_is_not(auto: Auto) -> None:
    auto.group(desired=3)
    grouped = Grouped(auto)
    footing = grouped.start()
    size(auto, 2)
    until(lambda: len(auto.states()) == 2, "two members")
    (gone,) = set(grouped.members) - set(auto.states())
    assert footing.cloud.look().released == {gone}
    dead = next(iter(auto.states()))
    auto.ec2.terminate_instances(InstanceIds=[dead])
    until(lambda: auto.instance(dead)["State"]["Name"] == "terminated", "it dead")
    assert footing.cloud.look().released == {gone}


def test_what_we_terminated_ourselves_is_not_released_not_even_after_a_resume(auto: Auto) -> None:
    auto.group(desired=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.swap(footing, grouped.members[0], "slot-0")
    auto.gone(grouped.members[0])
    assert footing.cloud.look().released == frozenset()
    assert grouped.start().cloud.look().released == frozenset()


def test_scale_out_and_scale_in_stay_as_they_were_asked_for(auto: Auto) -> None:
    auto.group(desired=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.swap(footing, grouped.members[0], "slot-0")
    size(auto, 4)
    auto.settled(4)
    grouped.swap(footing, grouped.members[1], "slot-1")
    size(auto, 3)
    until(lambda: list(auto.states().values()) == ["InService"] * 3, "three members")
    footing.conclude(Ending.REACHED)
    assert auto.described()["DesiredCapacity"] == 3
    auto.settled(3)


def test_the_limits_are_as_before_though_others_used_the_room_that_the_rollout_needed(auto: Auto) -> None:
    auto.group(desired=2, least=1, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.swap(footing, grouped.members[0], "slot-0")
    auto.settled(2)
    size(auto, 3)
    auto.settled(3)
    footing.conclude(Ending.REACHED)
    shown = auto.described()
    assert (shown["MinSize"], shown["MaxSize"], shown["DesiredCapacity"]) == (1, 2, 2)


@pytest.mark.parametrize("died", ["after the end", "after the size", "before it was written that the size is"])
def test_the_size_is_given_back_once_whoever_resumes(auto: Auto, died: str) -> None:
    auto.group(desired=2, least=1, most=4, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.attach(footing, grouped.launch(footing, "slot-0"))
    footing.conclude(Ending.INTERRUPTED)
    assert auto.described()["DesiredCapacity"] == 2
    auto.settled(2)
    sized = [n for n, line in enumerate(grouped.journal.lines) if line.data.get("what") == SIZE]
    if died != "after the end":
        del grouped.journal.lines[sized[-1] + (died == "after the size") :]
    grouped.start().conclude(Ending.INTERRUPTED)
    assert auto.described()["DesiredCapacity"] == 2


def test_the_place_of_a_member_that_died_is_not_filled_twice(auto: Auto) -> None:
    auto.group(desired=2, TargetGroupARNs=[POOL], AvailabilityZones=["eu-west-1a"])
    grouped = Grouped(auto)
    footing = grouped.start()
    dead = grouped.members[0]
    auto.ec2.terminate_instances(InstanceIds=[dead])
    until(lambda: auto.instance(dead)["State"]["Name"] == "terminated", "it dead")
    made = grouped.launch(footing, "slot-0")
    grouped.attach(footing, made)
    footing.conclude(Ending.REACHED)
    auto.gone(dead)
    assert sorted(auto.settled(2)) == sorted([made, grouped.members[1]])
    assert auto.described()["DesiredCapacity"] == 2


def test_a_member_on_its_way_out_counts_as_gone_though_it_runs(auto: Auto) -> None:
    auto.group(desired=1)
    auto.client.put_lifecycle_hook(
        AutoScalingGroupName=auto.name,
        LifecycleHookName="farewell",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
    )
    grouped = Grouped(auto)
    footing = grouped.start()
    size(auto, 0)
    auto.reaches(grouped.members[0], "Terminating:Wait")
    assert seen(footing)[grouped.members[0]] == (InstanceState.SHUTTING_DOWN, "Terminating:Wait")


def test_a_new_member_is_not_touched_before_its_hook_is_done_unless_it_is_of_the_old_image(auto: Auto) -> None:
    auto.group(desired=1)
    auto.client.put_lifecycle_hook(
        AutoScalingGroupName=auto.name,
        LifecycleHookName="ready",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
    )
    size(auto, 2)
    until(lambda: "Pending:Wait" in auto.states().values(), "an old one that waits")
    grouped = Grouped(auto)
    grouped.members = [one for one, state in auto.states().items() if state == "InService"]
    footing = grouped.start()
    assert len(seen(footing)) == 2
    size(auto, 3)
    until(lambda: list(auto.states().values()).count("Pending:Wait") == 2, "a new one that waits")
    assert len(seen(footing)) == 2


@pytest.mark.parametrize("by_default", [False, True])
def test_a_successor_is_protected_as_its_predecessor_was_whatever_the_group_does(
    auto: Auto, by_default: bool
) -> None:
    members = auto.group(desired=2, TargetGroupARNs=[POOL], NewInstancesProtectedFromScaleIn=by_default)
    for one, wanted in zip(members, (True, False), strict=True):
        auto.client.set_instance_protection(
            AutoScalingGroupName=auto.name, InstanceIds=[one], ProtectedFromScaleIn=wanted
        )
    grouped = Grouped(auto)
    before = protected(auto)
    stopped = grouped.start()
    made = [grouped.swap(stopped, grouped.members[0], "slot-0")]
    auto.gone(grouped.members[0])
    stopped.conclude(Ending.INTERRUPTED)
    killed = grouped.start()
    made.append(grouped.swap(killed, grouped.members[1], "slot-1"))
    grouped.start().conclude(Ending.REACHED)
    auto.settled(2)
    assert protected(auto) == {new: before[old] for new, old in zip(made, grouped.members, strict=True)}


def test_after_a_rollout_what_the_group_has_let_go_of_is_no_longer_of_the_fleet_though_it_runs(auto: Auto) -> None:
    grouped = fitted_out(auto)
    footing = grouped.start()
    for number, old in enumerate(grouped.members):
        grouped.swap(footing, old, f"slot-{number}")
    footing.conclude(Ending.REACHED)
    auto.reaches(grouped.members[0], "Terminating:Wait")
    assert auto.instance(grouped.members[0])["State"]["Name"] == "running"
    query = FleetQuery("web", asg=auto.name, balancers=())
    found = find_fleet(grouped.group.session, query)
    assert not {one.id for one in found.instances} & set(grouped.members)
    shown = [as_the_group_has_it(one, grouped.group.describe()) for one in footing.cloud.inner.look().instances]
    assert {one.id for one in shown if one.state.alive} == {one.id for one in found.instances}
