"""The lab's rights are those of the Service Authorization Reference, as parliament carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from deployer.lab.aws_errors import ApiCall
from deployer.lab.door.keys import Key
from deployer.lab.iam.policy import Asked
from deployer.lab.iam.reading import Request, rights
from tests.rights.judge import is_of, privileges

ACCOUNT, REGION = "123456789012", "eu-west-1"
WHO = Key("AKIA1", "secret", f"arn:aws:iam::{ACCOUNT}:user/ann")
TAGS = "TagSpecification.1.Tag.1.Key=team&TagSpecification.1.Tag.1.Value=shop"
_GLOBAL = (
    "aws:requestedregion",
    "aws:principal",
    "aws:current",
    "aws:epoch",
    "aws:secure",
    "aws:source",
    "aws:user",
)


class World:
    """Everything has the tag `team`."""

    def tags(self, resource: str) -> Mapping[str, str]:
        return {"team": "shop"} if resource != "*" else {}

    def role_of(self, profile: str) -> str | None:
        return f"arn:aws:iam::{ACCOUNT}:role/web"

    def template(self, wish: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return "lt-1", {"ImageId": "ami-1", "InstanceType": "t3.micro", "SubnetId": "subnet-1"}

    def volumes(self, instance: str) -> Sequence[str]:
        return ["vol-1"]

    def deployment_group(self, deployment: str) -> str | None:
        return "shop/web"

    def subnets_of(self, group: str) -> Sequence[str]:
        return ["subnet-1", "subnet-2"]

    def group_arn(self, name: str) -> str | None:
        return f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:0:autoScalingGroupName/{name}"


def asked(service: str, action: str, form: str, version: str = "") -> tuple[Asked, ...]:
    protocol = "ec2" if service == "ec2" else "query"
    call = ApiCall(service, action, protocol, REGION)
    body = f"Action={action}&Version={version}&{form}".encode()
    return rights(Request(call, "POST", "/", "", body, REGION, WHO), ACCOUNT, World(), 0.0)


CALLS = [
    ("ec2", "RunInstances", "ImageId=ami-1&SubnetId=subnet-1&KeyName=k&IamInstanceProfile.Name=web"),
    (
        "ec2",
        "RunInstances",
        f"LaunchTemplate.LaunchTemplateId=lt-1&TagSpecification.1.ResourceType=instance&{TAGS}",
    ),
    ("ec2", "TerminateInstances", "InstanceId.1=i-1&InstanceId.2=i-2"),
    ("ec2", "StopInstances", "InstanceId.1=i-1"),
    ("ec2", "CreateTags", "ResourceId.1=i-1&ResourceId.2=ami-1&Tag.1.Key=a&Tag.1.Value=b"),
    ("ec2", "DeleteTags", "ResourceId.1=i-1&Tag.1.Key=a"),
    (
        "ec2",
        "CreateSnapshots",
        f"InstanceSpecification.InstanceId=i-1&TagSpecification.1.ResourceType=snapshot&{TAGS}",
    ),
    ("ec2", "RegisterImage", "Name=n&BlockDeviceMapping.1.Ebs.SnapshotId=snap-1"),
    ("ec2", "DeregisterImage", "ImageId=ami-1"),
    ("ec2", "DeleteSnapshot", "SnapshotId=snap-1"),
    ("ec2", "GetConsoleOutput", "InstanceId=i-1"),
    ("ec2", "DescribeInstanceAttribute", "InstanceId=i-1&Attribute=userData"),
    ("ec2", "DescribeInstances", "InstanceId.1=i-1"),
    ("ec2", "CreateLaunchTemplateVersion", "LaunchTemplateId=lt-1"),
    ("ec2", "ModifyLaunchTemplate", "LaunchTemplateName=web"),
    ("ec2", "DeleteLaunchTemplateVersions", "LaunchTemplateId=lt-1"),
    ("elasticloadbalancing", "RegisterTargets", "TargetGroupArn=arn:aws:elasticloadbalancing:r:1:targetgroup/a/b"),
    ("elasticloadbalancing", "ModifyListener", "ListenerArn=arn:aws:elasticloadbalancing:r:1:listener/app/a/b/c"),
    ("elasticloadbalancing", "ModifyRule", "RuleArn=arn:aws:elasticloadbalancing:r:1:listener-rule/app/a/b/c/d"),
    ("elasticloadbalancing", "DescribeTargetHealth", "TargetGroupArn=arn:x"),
    ("autoscaling", "DescribeAutoScalingGroups", ""),
    ("autoscaling", "SuspendProcesses", "AutoScalingGroupName=shop-web"),
    ("autoscaling", "UpdateAutoScalingGroup", "AutoScalingGroupName=web&LaunchTemplate.LaunchTemplateId=lt-1"),
    ("autoscaling", "CreateLaunchConfiguration", "LaunchConfigurationName=a&IamInstanceProfile=web"),
    ("rds", "CreateDBSnapshot", "DBInstanceIdentifier=shop&DBSnapshotIdentifier=deployer-1"),
    ("rds", "DescribeDBSnapshots", "DBSnapshotIdentifier=deployer-1"),
    ("sns", "Publish", "TopicArn=arn:aws:sns:eu-west-1:1:t"),
]


@pytest.mark.parametrize(("service", "action", "form"), CALLS)
def test_each_right_is_on_a_kind_of_resource_and_by_keys_that_the_reference_has(
    service: str, action: str, form: str
) -> None:
    version = "2015-12-01" if service == "elasticloadbalancing" else ""
    found = asked(service, action, form, version)
    assert any(one.action == f"{service}:{action}" for one in found)
    for one in found:
        prefix, _, name = one.action.partition(":")
        kinds = privileges(prefix)[name.lower()]
        own = [key for key in one.context if not key.startswith(_GLOBAL) and key != "ec2:region"]
        fitting = {kind: keys for kind, keys in kinds.items() if is_of(one.resource, prefix, kind)}
        assert fitting, f"{one.action} is on {sorted(kinds)}, and the lab asks for {one.resource}"
        known = {key.partition("/")[0] for keys in (*fitting.values(), kinds.get("", frozenset())) for key in keys}
        assert {key.partition("/")[0] for key in own} <= known, one


def test_whom_one_is_may_be_asked_by_anybody() -> None:
    assert asked("sts", "GetCallerIdentity", "") == ()


def test_a_launch_needs_all_that_it_uses_and_makes() -> None:
    found = {(one.action, one.resource) for one in asked(*CALLS[0])}
    here = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    assert found >= {
        ("ec2:RunInstances", f"arn:aws:ec2:{REGION}::image/ami-1"),
        ("ec2:RunInstances", f"{here}:subnet/subnet-1"),
        ("ec2:RunInstances", f"{here}:instance/*"),
        ("ec2:RunInstances", f"{here}:volume/*"),
        ("ec2:RunInstances", f"{here}:key-pair/k"),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/web"),
    }


def test_a_group_that_gets_a_template_needs_the_rights_of_its_launches() -> None:
    found = {one.action for one in asked("autoscaling", "UpdateAutoScalingGroup", CALLS[22][2])}
    assert "ec2:RunInstances" in found
    assert {one.action for one in asked("autoscaling", "UpdateAutoScalingGroup", "AutoScalingGroupName=web")} == {
        "autoscaling:UpdateAutoScalingGroup"
    }
