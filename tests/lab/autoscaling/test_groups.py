"""Groups: what they are made from, their size and its limits, their zones, tags and activities."""

from __future__ import annotations

import pytest

from tests.lab.autoscaling.fleet import POOL, Auto, refusal, until


def test_a_group_launches_its_desired_capacity_spread_over_its_zones(auto: Auto) -> None:
    auto.group(desired=6)
    assert auto.zones() == {"eu-west-1a": 2, "eu-west-1b": 2, "eu-west-1c": 2}


def test_a_group_by_numeric_version_goes_on_launching_that_version(auto: Auto) -> None:
    template = auto.template()
    auto.group(desired=1, LaunchTemplate={"LaunchTemplateId": template, "Version": "1"})
    auto.version(template)
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=2)
    auto.settled(2)
    assert {one["LaunchTemplate"]["Version"] for one in auto.described()["Instances"]} == {"1"}


def test_a_group_by_latest_launches_what_is_the_latest_version_then(auto: Auto) -> None:
    template = auto.template()
    first = auto.group(desired=1, LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"})
    auto.version(template)
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=2)
    new = next(one for one in auto.settled(2) if one not in first)
    assert auto.instance(new)["InstanceType"] == "t3.small"
    assert auto.described()["LaunchTemplate"]["Version"] == "$Latest"


def test_a_group_by_default_follows_the_default_version(auto: Auto) -> None:
    template = auto.template()
    auto.version(template)
    first = auto.group(desired=1, LaunchTemplate={"LaunchTemplateId": template, "Version": "$Default"})
    auto.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=2)
    new = next(one for one in auto.settled(2) if one not in first)
    assert (auto.instance(first[0])["InstanceType"], auto.instance(new)["InstanceType"]) == ("t3.micro", "t3.small")


def test_a_mixed_instances_policy_overrides_the_type(auto: Auto) -> None:
    specification = {"LaunchTemplateId": auto.template(), "Version": "1"}
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": specification,
            "Overrides": [{"InstanceType": "t3.large"}],
        }
    }
    (only,) = auto.group(desired=1, MixedInstancesPolicy=policy)
    assert auto.instance(only)["InstanceType"] == "t3.large"
    shown = auto.described()["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    assert shown["Version"] == "1"


def test_a_launch_configuration_is_a_source_too(auto: Auto) -> None:
    auto.client.create_launch_configuration(
        LaunchConfigurationName="old-style", ImageId=auto.lab.image, InstanceType="t3.medium"
    )
    (only,) = auto.group(desired=1, LaunchConfigurationName="old-style")
    assert auto.instance(only)["InstanceType"] == "t3.medium"
    assert auto.described()["Instances"][0]["LaunchConfigurationName"] == "old-style"


def test_an_unknown_template_or_none_at_all_is_refused(auto: Auto) -> None:
    asked = {"AutoScalingGroupName": "x", "MinSize": 0, "MaxSize": 1, "AvailabilityZones": ["eu-west-1a"]}
    unknown = {"LaunchTemplateName": "nobody", "Version": "1"}
    assert refusal(lambda: auto.client.create_auto_scaling_group(**asked)) == "ValidationError"
    code = refusal(lambda: auto.client.create_auto_scaling_group(**asked, LaunchTemplate=unknown))
    assert code == "ValidationError"


def test_a_second_group_of_the_same_name_is_refused(auto: Auto) -> None:
    auto.group(desired=0)
    other = {"LaunchTemplateId": auto.template("other")}
    code = refusal(lambda: auto.group(desired=0, LaunchTemplate=other))
    assert code == "AlreadyExists"


@pytest.mark.parametrize("wanted", [0, 4])
def test_desired_capacity_outside_the_limits_is_refused(auto: Auto, wanted: int) -> None:
    auto.group(desired=2, least=1, most=3)
    call = auto.client.set_desired_capacity
    assert refusal(lambda: call(AutoScalingGroupName=auto.name, DesiredCapacity=wanted)) == "ValidationError"


def test_the_desired_capacity_follows_a_maximum_that_is_lowered_under_it(auto: Auto) -> None:
    auto.group(desired=3)
    auto.client.update_auto_scaling_group(AutoScalingGroupName=auto.name, MaxSize=2)
    auto.settled(2)
    assert auto.described()["DesiredCapacity"] == 2


def test_tags_reach_new_members_only_where_they_propagate(auto: Auto) -> None:
    tags = [
        {"Key": "Service", "Value": "shop", "PropagateAtLaunch": True},
        {"Key": "Owner", "Value": "ops", "PropagateAtLaunch": False},
    ]
    (only,) = auto.group(desired=1, Tags=tags)
    found = auto.tags(only)
    assert found["Service"] == "shop"
    assert "Owner" not in found
    assert found["aws:autoscaling:groupName"] == auto.name


def test_scale_in_takes_from_the_fullest_zone(auto: Auto) -> None:
    auto.group(desired=4)
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=3)
    auto.settled(3)
    assert sorted(auto.zones().values()) == [1, 1, 1]


def test_scale_in_takes_what_is_not_of_the_current_version_first(auto: Auto) -> None:
    template = auto.template()
    old = auto.group(
        desired=1,
        LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
        AvailabilityZones=["eu-west-1a"],
    )
    current = {"LaunchTemplateId": template, "Version": auto.version(template)}
    auto.client.update_auto_scaling_group(AutoScalingGroupName=auto.name, LaunchTemplate=current, DesiredCapacity=2)
    auto.settled(2)
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=1)
    assert auto.settled(1) != old


def test_a_protected_member_survives_a_scale_in(auto: Auto) -> None:
    ids = auto.group(desired=3, AvailabilityZones=["eu-west-1a"])
    auto.client.set_instance_protection(
        AutoScalingGroupName=auto.name, InstanceIds=ids[:1], ProtectedFromScaleIn=True
    )
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=1)
    assert auto.settled(1) == ids[:1]


def test_a_failed_launch_is_an_activity_with_its_reason(auto: Auto) -> None:
    auto.lab.ec2.capacity.limit(0, "eu-west-1a", "t3.micro")
    auto.group(desired=0, AvailabilityZones=["eu-west-1a"])
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=1)
    until(lambda: any(one["StatusCode"] == "Failed" for one in auto.activities()), "a failed activity")
    failed = next(one for one in auto.activities() if one["StatusCode"] == "Failed")
    assert "t3.micro" in failed["StatusMessage"]


def test_launches_and_terminations_are_activities_with_their_cause(auto: Auto) -> None:
    (only,) = auto.group(desired=1)
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=0)
    auto.gone(only)
    ended, launched = auto.activities()
    assert launched["Description"] == f"Launching a new EC2 instance: {only}"
    assert ended["Description"] == f"Terminating EC2 instance: {only}"
    assert {ended["StatusCode"], launched["StatusCode"]} == {"Successful"}
    assert "from 1 to 0" in ended["Cause"]


def test_a_group_with_members_is_deleted_only_by_force(auto: Auto) -> None:
    ids = auto.group(desired=1)
    delete = auto.client.delete_auto_scaling_group
    assert refusal(lambda: delete(AutoScalingGroupName=auto.name)) == "ResourceInUse"
    delete(AutoScalingGroupName=auto.name, ForceDelete=True)
    until(lambda: auto.instance(ids[0])["State"]["Name"] == "terminated", "its member terminated")
    until(lambda: not auto.client.describe_auto_scaling_groups()["AutoScalingGroups"], "the group gone")


def test_groups_are_found_by_tag_and_shown_in_pages(auto: Auto) -> None:
    template = {"LaunchTemplateId": auto.template(), "Version": "1"}
    for name in ("one", "two", "three"):
        auto.client.create_auto_scaling_group(
            AutoScalingGroupName=name,
            MinSize=0,
            MaxSize=0,
            LaunchTemplate=template,
            AvailabilityZones=["eu-west-1a"],
            Tags=[{"Key": "Name", "Value": name}],
        )
    pages = auto.client.get_paginator("describe_auto_scaling_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [one["AutoScalingGroupName"] for page in pages for one in page["AutoScalingGroups"]] == [
        "one",
        "three",
        "two",
    ]
    found = auto.client.describe_auto_scaling_groups(Filters=[{"Name": "tag:Name", "Values": ["two"]}])
    assert [one["AutoScalingGroupName"] for one in found["AutoScalingGroups"]] == ["two"]


def test_members_are_registered_before_they_are_in_service(auto: Auto) -> None:
    (only,) = auto.group(desired=1, TargetGroupARNs=[POOL], LoadBalancerNames=["shop-classic"])
    assert {name for (name, ident) in auto.pools.states if ident == only} == {POOL, "shop-classic"}


def test_a_balancer_that_does_not_exist_is_refused(auto: Auto) -> None:
    assert refusal(lambda: auto.group(desired=0, TargetGroupARNs=["arn:aws:nothing"])) == "ValidationError"


def test_what_is_terminated_is_deregistered_and_drained_first(auto: Auto) -> None:
    (only,) = auto.group(desired=1, TargetGroupARNs=[POOL])
    auto.pools.drains_at_once = False
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=0)
    auto.reaches(only, "Terminating")
    assert auto.activities()[0]["StatusCode"] == "WaitingForELBConnectionDraining"
    assert auto.stays(lambda: auto.instance(only)["State"]["Name"] == "running")
    auto.pools.states[POOL, only] = "absent"
    auto.gone(only)
    assert auto.instance(only)["State"]["Name"] == "terminated"
