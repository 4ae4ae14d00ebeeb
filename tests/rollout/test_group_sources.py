"""What an Auto Scaling group launches during a rollout, and after it."""

from __future__ import annotations

import pytest

from deployer.engine.loop import Ending
from deployer.model.policy import Method
from tests.lab.autoscaling.fleet import POOL, Auto
from tests.rollout.grouped import Grouped


def template_of(auto: Auto) -> str:
    return str(auto.described()["LaunchTemplate"]["LaunchTemplateId"])


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
