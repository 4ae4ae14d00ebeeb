"""A rollout on an Auto Scaling group: what it changes around itself, and how that is put back."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.aws.discovery import find_fleet
from deployer.aws.groups import as_the_group_has_it
from deployer.aws.query import FleetQuery
from deployer.backends.native.group_leftovers import leftovers_of
from deployer.backends.native.quieting import DISTURBING
from deployer.backends.native.undoing import SIZE
from deployer.engine.loop import Ending
from deployer.model.errors import LeaseLost, StateUnavailable
from deployer.model.fleet import InstanceState
from deployer.model.policy import Method
from tests.backends.native.grouped import Grouped
from tests.lab.autoscaling.fleet import POOL, Auto, until


def template_of(auto: Auto) -> str:
    return str(auto.described()["LaunchTemplate"]["LaunchTemplateId"])


def size(auto: Auto, desired: int) -> None:
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=desired)


def protected(auto: Auto) -> dict[str, bool]:
    return {one["InstanceId"]: one["ProtectedFromScaleIn"] for one in auto.described()["Instances"]}


# -- settings before and after -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [Ending.REACHED, Ending.ROLLED_BACK, Ending.INTERRUPTED, Ending.NEEDS_A_HAND])
def test_after_every_orderly_end_the_settings_are_those_of_before_field_by_field(
    auto: Auto, ending: Ending
) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    before = grouped.settings()
    footing = grouped.start()
    grouped.swap(footing, grouped.members[0], "slot-0")
    footing.conclude(ending)
    assert grouped.settings() == before


def fitted_out(auto: Auto) -> Grouped:
    """A group that has something of everything that a rollout has to leave alone."""
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL], NewInstancesProtectedFromScaleIn=True)
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["AZRebalance"])
    for moment in ("LAUNCHING", "TERMINATING"):
        auto.client.put_lifecycle_hook(
            AutoScalingGroupName=auto.name,
            LifecycleHookName=moment.lower(),
            LifecycleTransition=f"autoscaling:EC2_INSTANCE_{moment}",
            HeartbeatTimeout=30,
            DefaultResult="CONTINUE",
        )
    auto.client.put_scaling_policy(
        AutoScalingGroupName=auto.name, PolicyName="more", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    return Grouped(auto)


@pytest.mark.parametrize("died", ["before anything", "with a successor that is no member", "half way"])
@pytest.mark.parametrize("command", ["resume", "abort"])
def test_killed_anywhere_resume_and_abort_leave_the_group_as_it_was_field_by_field(
    auto: Auto, died: str, command: str
) -> None:
    grouped = fitted_out(auto)
    before, source, guarded = grouped.settings(), grouped.source(), list(protected(auto).values())
    killed = grouped.start()
    if died == "with a successor that is no member":
        grouped.launch(killed, "slot-0")
    elif died == "half way":
        grouped.swap(killed, grouped.members[0], "slot-0")
        grouped.complete(grouped.members[0])
    later = grouped.start(rolling_back=command == "abort")
    later.conclude(Ending.ROLLED_BACK if command == "abort" else Ending.REACHED)
    assert grouped.settings() == before
    assert (grouped.source() == source) is (command == "abort")
    auto.settled(2)
    assert list(protected(auto).values()) == guarded


def test_what_would_disturb_is_suspended_meanwhile_and_launches_are_not(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    grouped.start()
    assert grouped.suspended() == DISTURBING
    assert not {"Launch", "Terminate"} & DISTURBING


def test_what_was_suspended_before_stays_suspended(auto: Auto) -> None:
    auto.group(desired=1)
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["AZRebalance", "Launch"])
    grouped = Grouped(auto)
    grouped.start().conclude(Ending.INTERRUPTED)
    assert grouped.suspended() == {"AZRebalance", "Launch"}


def test_a_run_that_was_killed_is_put_back_by_the_one_that_resumes(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["AZRebalance"])
    grouped = Grouped(auto)
    before = grouped.settings()
    killed = grouped.start()
    grouped.swap(killed, grouped.members[0], "slot-0")
    assert grouped.settings() != before
    resumed = grouped.start()
    grouped.swap(resumed, grouped.members[1], "slot-1")
    resumed.conclude(Ending.REACHED)
    assert grouped.settings() == before
    assert grouped.suspended() == {"AZRebalance"}


def test_each_change_is_in_the_journal_before_it_is_made(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    grouped.journal.down = True
    with pytest.raises(StateUnavailable):
        grouped.start()
    assert grouped.suspended() == set()


def test_every_undo_is_undone_in_the_journal(auto: Auto) -> None:
    auto.group(desired=1, least=1, most=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    grouped.roll(grouped.start())
    kinds = [(line.kind, line.data["what"]) for line in grouped.journal.lines if line.kind in ("undo", "undone")]
    assert {what for kind, what in kinds if kind == "undone"} == {"processes", "source", "least", "most"} - {
        "least"
    }


def test_without_the_lease_nothing_is_put_back(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    footing = grouped.start()
    grouped.lease.held = False
    with pytest.raises(LeaseLost):
        footing.conclude(Ending.INTERRUPTED)
    assert grouped.suspended() == DISTURBING


def test_what_a_killed_run_left_is_told_and_processes_are_resumed_on_request(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    killed = grouped.start()
    grouped.swap(killed, grouped.members[0], "slot-0")
    auto.client.enter_standby(
        AutoScalingGroupName=auto.name, InstanceIds=grouped.members[1:], ShouldDecrementDesiredCapacity=False
    )
    past = [("r-1", grouped.journal.lines)]
    found = list(leftovers_of(grouped.group, past, undo=False))
    assert [one.kind for one in found] == ["suspended process", "launch source", "size limit", "standby"]
    assert not any(one.undone for one in found)
    assert next(leftovers_of(grouped.group, past, undo=True)).undone
    assert grouped.suspended() == set()


def test_nothing_is_told_of_a_rollout_that_put_everything_back(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    grouped.roll(grouped.start())
    assert list(leftovers_of(grouped.group, [("r-1", grouped.journal.lines)], undo=False)) == []


# -- what the group launches ---------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "afterwards"), [("1", "2"), ("$Latest", "$Latest"), ("$Default", "$Default")])
def test_on_success_the_new_version_is_the_default_and_what_the_group_launches(
    auto: Auto, named: str, afterwards: str
) -> None:
    template = auto.template()
    auto.group(desired=1, TargetGroupARNs=[POOL], LaunchTemplate={"LaunchTemplateId": template, "Version": named})
    grouped = Grouped(auto)
    footing = grouped.start()
    assert auto.described()["LaunchTemplate"]["Version"] == "2"
    assert grouped.versions(template) == (1, [1, 2])
    grouped.roll(footing)
    assert auto.described()["LaunchTemplate"]["Version"] == afterwards
    assert grouped.versions(template) == (2, [1, 2])
    assert grouped.launches() == grouped.image


@pytest.mark.parametrize("named", ["1", "$Latest", "$Default"])
def test_without_success_the_group_launches_what_it_did_and_the_new_version_is_gone(auto: Auto, named: str) -> None:
    template = auto.template()
    auto.group(desired=1, LaunchTemplate={"LaunchTemplateId": template, "Version": named})
    grouped = Grouped(auto)
    grouped.start().conclude(Ending.ROLLED_BACK)
    assert auto.described()["LaunchTemplate"]["Version"] == named
    assert grouped.versions(template) == (1, [1])
    assert grouped.launches() == auto.lab.image


def test_a_resumed_run_makes_no_second_version(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto)
    grouped.start()
    grouped.start()
    assert grouped.versions(template_of(auto))[1] == [1, 2]


def test_on_the_way_back_the_group_launches_the_image_from_before_again(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto)
    footing = grouped.start()
    assert grouped.launches() == grouped.image
    grouped.launch(footing, "slot-0", image=auto.lab.image)
    assert grouped.launches() == auto.lab.image


def test_the_template_of_a_mixed_instances_policy_is_versioned_and_its_types_stay(auto: Auto) -> None:
    specification = {"LaunchTemplateId": auto.template(), "Version": "1"}
    types = [{"InstanceType": "t3.small"}]
    policy = {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": types}}
    auto.group(desired=1, TargetGroupARNs=[POOL], MixedInstancesPolicy=policy)
    grouped = Grouped(auto)
    grouped.roll(grouped.start())
    shown = auto.described()["MixedInstancesPolicy"]["LaunchTemplate"]
    assert shown["LaunchTemplateSpecification"]["Version"] == "2"
    assert shown["Overrides"] == types
    assert grouped.launches() == grouped.image


def configured(auto: Auto) -> None:
    auto.client.create_launch_configuration(
        LaunchConfigurationName="old-style",
        ImageId=auto.lab.image,
        InstanceType="t3.medium",
        UserData="#!/bin/sh\n",
    )
    auto.group(desired=1, TargetGroupARNs=[POOL], LaunchConfigurationName="old-style")


def test_a_launch_configuration_is_copied_with_the_new_image(auto: Auto) -> None:
    configured(auto)
    grouped = Grouped(auto)
    grouped.roll(grouped.start())
    name = auto.described()["LaunchConfigurationName"]
    (copy,) = auto.client.describe_launch_configurations(LaunchConfigurationNames=[name])["LaunchConfigurations"]
    assert (name != "old-style", copy["ImageId"], copy["InstanceType"]) == (True, grouped.image, "t3.medium")


def test_a_copied_launch_configuration_goes_when_the_rollout_does_not_come_to_pass(auto: Auto) -> None:
    configured(auto)
    grouped = Grouped(auto)
    grouped.start().conclude(Ending.LEFT_SAFE)
    known = auto.client.describe_launch_configurations()["LaunchConfigurations"]
    assert [one["LaunchConfigurationName"] for one in known if one["ImageId"] == grouped.image] == []
    assert auto.described()["LaunchConfigurationName"] == "old-style"


def test_method_in_place_changes_nothing_of_what_the_group_launches(auto: Auto) -> None:
    auto.group(desired=1)
    grouped = Grouped(auto, method=Method.IN_PLACE)
    grouped.start()
    assert grouped.launches() == auto.lab.image
    assert grouped.versions(template_of(auto)) == (1, [1])


# -- members ---------------------------------------------------------------------------------------------


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


# -- what others do meanwhile ------------------------------------------------------------------------------


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


@pytest.mark.parametrize("named", ["1", "$Latest", "$Default"])
def test_one_that_dies_at_the_goal_and_is_turned_back_leaves_the_group_with_what_it_launched(
    auto: Auto, named: str
) -> None:
    template = auto.template()
    auto.group(desired=1, LaunchTemplate={"LaunchTemplateId": template, "Version": named})
    grouped = Grouped(auto)
    before = grouped.source()
    grouped.start().conclude(Ending.REACHED)
    assert grouped.launches() == grouped.image
    later = grouped.start()
    later.conclude(Ending.ROLLED_BACK)
    assert grouped.source() == before
    assert grouped.launches() == auto.lab.image


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


# -- protection from being scaled in -------------------------------------------------------------------------


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
