"""A group whose instance type a rollout changes, and one that is scaled out before a rollout and in again after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployer.aws.group_sources import GroupSource
from deployer.aws.groups import GroupFacts
from deployer.engine.loop import Ending
from deployer.engine.plan import PlannedSlot
from deployer.model.policy import Deadlines, Method
from deployer.rollout.group.fitness import misfits
from deployer.rollout.group.leftovers import leftovers_of
from deployer.rollout.group.pre_scaling import NotScaledOut
from tests.lab.autoscaling.fleet import POOL, Auto, until
from tests.rollout.grouped import BALANCER, Grouped

OTHER = "t3.small"


def grown(grouped: Grouped) -> list[str]:
    """Those that came beyond the fleet's own members."""
    return [one for one in grouped.auto.states() if one not in grouped.members]


# -- the instance type -------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", ["new", "same"])
def test_the_group_launches_the_new_type_from_before_the_first_change_on(auto: Auto, image: str) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, kind=OTHER)
    if image == "same":
        grouped.image = auto.lab.image
    footing = grouped.start()
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=2)
    (added,) = [one for one in auto.settled(2) if one not in grouped.members]
    assert auto.instance(added)["InstanceType"] == OTHER
    grouped.swap(footing, grouped.members[0], "slot-0")
    footing.conclude(Ending.REACHED)
    assert grouped.launched_kind() == OTHER
    assert grouped.launches() == grouped.image


@pytest.mark.parametrize("ending", [Ending.ROLLED_BACK, Ending.LEFT_SAFE, Ending.INTERRUPTED])
def test_without_success_the_group_launches_the_type_of_before(auto: Auto, ending: Ending) -> None:
    template = auto.template()
    auto.group(desired=1, TargetGroupARNs=[POOL], LaunchTemplate={"LaunchTemplateId": template, "Version": "1"})
    grouped = Grouped(auto, kind=OTHER)
    grouped.start().conclude(ending)
    assert grouped.launched_kind() == "t3.micro"
    assert grouped.versions(template) == (1, [1])


def test_on_the_way_back_to_the_type_alone_the_group_launches_what_it_did(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, kind=OTHER)
    grouped.image = auto.lab.image
    footing = grouped.start()
    assert grouped.launched_kind() == OTHER
    grouped.launch(footing, "slot-0", kind="t3.micro")
    assert grouped.launched_kind() == "t3.micro"


def test_a_run_that_was_killed_makes_no_second_version_of_the_type(auto: Auto) -> None:
    template = auto.template()
    auto.group(desired=1, TargetGroupARNs=[POOL], LaunchTemplate={"LaunchTemplateId": template, "Version": "1"})
    grouped = Grouped(auto, kind=OTHER)
    grouped.start()
    grouped.start()
    assert grouped.versions(template) == (1, [1, 2])


def test_a_launch_configuration_is_copied_with_the_new_type(auto: Auto) -> None:
    auto.client.create_launch_configuration(
        LaunchConfigurationName="sized-style", ImageId=auto.lab.image, InstanceType="t3.micro"
    )
    auto.group(desired=1, TargetGroupARNs=[POOL], LaunchConfigurationName="sized-style")
    grouped = Grouped(auto, kind=OTHER)
    grouped.roll(grouped.start())
    assert (grouped.launched_kind(), grouped.launches()) == (OTHER, grouped.image)


# -- what is refused at the plan -------------------------------------------------------------------------


def facts(**more: Any) -> GroupFacts:
    base = GroupFacts("shop-web", 1, 4, 2, (), frozenset(), GroupSource("lt-1", "1"), (POOL,))
    return replace(base, **more)


def refusals(auto: Auto, group: GroupFacts, **more: Any) -> str:
    return "; ".join(misfits(group, replace(Grouped(auto, kind=OTHER).plan(), **more)))


def test_types_that_the_groups_policy_chooses_are_not_overruled(auto: Auto) -> None:
    chosen = refusals(auto, facts(own_types=("t3.micro", OTHER)))
    assert "chooses among t3.micro, t3.small" in chosen
    assert "make t3.small the only type of its overrides" in chosen
    assert refusals(auto, facts(own_types=("by attributes",)))
    assert not refusals(auto, facts(own_types=(OTHER,))), "the policy names the wanted type alone"
    assert not refusals(auto, facts())


def test_traffic_by_weight_is_refused_on_a_group_with_what_to_do(auto: Auto) -> None:
    said = refusals(auto, facts(), sides=(POOL, "tg-green"))
    assert "cannot be told apart" in said
    assert f'balancers = ["{BALANCER.name}"]' in said


def test_a_relaunch_of_instances_on_ports_that_the_group_would_not_register_is_refused(auto: Auto) -> None:
    slots = (PlannedSlot("slot-0", "a", "", "i-0", "t3.micro", ports=((POOL, (9000, 9001)),)),)
    said = refusals(auto, facts(), slots=slots)
    assert "i-0 is registered with shop on port 9000, 9001" in said
    assert "use --method in-place" in said
    in_place = replace(Grouped(auto, kind=OTHER).plan().policy, method=Method.IN_PLACE)
    assert not refusals(auto, facts(), slots=slots, policy=in_place)


def test_pre_scaling_is_refused_where_the_group_does_not_register_what_it_launches(auto: Auto) -> None:
    assert "not attached to shop" in refusals(auto, facts(pools=()), pre_scale=1)
    assert not refusals(auto, facts(), pre_scale=1)


# -- pre-scaling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("ending", [Ending.REACHED, Ending.ROLLED_BACK, Ending.INTERRUPTED, Ending.LEFT_SAFE])
def test_the_group_is_larger_meanwhile_and_as_it_was_at_every_end(
    auto: Auto, method: Method, ending: Ending
) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, method=method, pre_scale=2)
    before = grouped.settings()
    footing = grouped.start()
    assert len(grown(grouped)) == 2
    assert auto.described()["DesiredCapacity"] == 4
    footing.conclude(ending)
    assert grouped.settings() == before
    auto.settled(2)


def test_what_is_added_is_what_the_group_launched_before_and_counts_as_old(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1)
    footing = grouped.start()
    (added,) = grown(grouped)
    assert auto.instance(added)["ImageId"] == auto.lab.image
    assert added in {one.id for one in footing.cloud.look().instances}
    assert grouped.launches() == grouped.image


def test_replaced_members_and_a_scale_out_by_others_stay_when_it_scales_in(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=5, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1)
    footing = grouped.start()
    for number, old in enumerate(grouped.members):
        grouped.swap(footing, old, f"slot-{number}")
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=4)
    until(lambda: list(auto.states().values()) == ["InService"] * 4, "four members")
    footing.conclude(Ending.REACHED)
    assert auto.described()["DesiredCapacity"] == 3
    auto.settled(3)


def test_a_run_that_was_killed_is_not_scaled_out_twice_and_is_put_back_by_the_one_that_resumes(auto: Auto) -> None:
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1)
    before = grouped.settings()
    killed = grouped.start()
    grouped.swap(killed, grouped.members[0], "slot-0")
    resumed = grouped.start()
    until(lambda: list(auto.states().values()) == ["InService"] * 3, "three members")
    grouped.swap(resumed, grouped.members[1], "slot-1")
    resumed.conclude(Ending.REACHED)
    assert grouped.settings() == before
    auto.settled(2)


@pytest.mark.parametrize("killed_after", ["the note", "the call"])
def test_a_run_that_was_killed_as_it_scaled_out_is_gone_on_with_or_turned_back(
    auto: Auto, killed_after: str
) -> None:
    auto.group(desired=1, least=1, most=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1)
    before = grouped.settings()
    grouped.start()
    (added,) = grown(grouped)
    ready = next(n for n, line in enumerate(grouped.journal.lines) if line.data.get("ready") is True)
    del grouped.journal.lines[ready:]
    if killed_after == "the note":
        auto.client.terminate_instance_in_auto_scaling_group(InstanceId=added, ShouldDecrementDesiredCapacity=True)
        auto.gone(added)
    aborting = grouped.start(rolling_back=True)
    aborting.conclude(Ending.ROLLED_BACK)
    assert grouped.settings() == before
    auto.settled(1)


def test_a_run_that_was_killed_as_it_scaled_in_does_not_scale_in_twice(auto: Auto) -> None:
    auto.group(desired=2, least=1, most=3, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1)
    before = grouped.settings()
    grouped.start().conclude(Ending.INTERRUPTED)
    auto.settled(2)
    lowered = max(n for n, line in enumerate(grouped.journal.lines) if "lowered_from" in line.data)
    del grouped.journal.lines[lowered + 1 :]
    grouped.start(rolling_back=True).conclude(Ending.ROLLED_BACK)
    assert grouped.settings() == before
    auto.settled(2)


def test_instances_that_do_not_come_up_end_it_before_anything_else_is_changed(auto: Auto) -> None:
    auto.group(desired=1, least=1, most=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1, deadlines=Deadlines(launch=0.0, boot=0.0, health=0.0))
    before = grouped.settings()
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["Launch"])
    with pytest.raises(NotScaledOut, match="nothing else was changed"):
        grouped.start()
    auto.client.resume_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["Launch"])
    assert grouped.settings() == before
    assert grouped.launches() == auto.lab.image


def test_a_group_that_is_left_larger_is_told(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    grouped = Grouped(auto, pre_scale=1)
    grouped.start()
    found = list(leftovers_of(grouped.group, [("r-1", grouped.journal.lines)], undo=False))
    assert "size" in [one.kind for one in found]
