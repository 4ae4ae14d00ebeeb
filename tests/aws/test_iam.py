"""The least policy: whole enough to work, narrow enough to be given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployer.aws.iam import Feature, PolicyScope, policy
from tests.aws.actions import action_of

SCOPE = PolicyScope(
    "web",
    tags={"Service": "shop"},
    account="123456789012",
    region="eu-west-1",
    target_groups=("shop-web",),
    classic=("old-web",),
    roles=("arn:aws:iam::123456789012:role/web",),
    bundles=("releases/shop/*",),
    state_bucket="state/deployer",
    state_table="deployer",
)


def statements(*features: Feature) -> dict[str, Any]:
    document: Any = policy(SCOPE, features)
    return {item["Sid"]: item for item in document["Statement"]}


def test_looking_allows_nothing_that_changes_anything() -> None:
    actions = statements(Feature.LOOK)["Look"]["Action"]

    assert all(action.partition(":")[2].startswith(("Describe", "Get")) for action in actions)


def test_each_statement_has_a_name_of_its_own_and_the_document_is_json() -> None:
    document: Any = policy(SCOPE, Feature)

    names = [item["Sid"] for item in document["Statement"]]
    assert len(names) == len(set(names))
    assert all(name.isalnum() for name in names)
    assert len(json.dumps(document, separators=(",", ":"))) < 10240


@pytest.mark.parametrize("feature", list(Feature))
def test_no_action_is_a_wildcard_and_only_describes_are_allowed_on_everything(feature: Feature) -> None:
    for name, item in statements(feature).items():
        assert not any("*" in action for action in item["Action"])
        assert name == "Look" or "*" not in item["Resource"]


def test_terminating_is_allowed_for_the_fleets_own_and_for_what_we_launched() -> None:
    found = statements(Feature.RELAUNCH)

    assert found["Terminate"]["Condition"] == {"StringEquals": {"aws:ResourceTag/Service": "shop"}}
    assert found["TerminateOurs"]["Condition"] == {"StringEquals": {"aws:ResourceTag/deployer:fleet": "web"}}


def test_a_fleet_of_ids_may_be_changed_by_its_ids_alone() -> None:
    document: Any = policy(PolicyScope("web", instances=("i-1",), account="1", region="r"), [Feature.RELAUNCH])
    terminate = next(item for item in document["Statement"] if item["Sid"] == "Terminate")

    assert terminate["Resource"] == ["arn:aws:ec2:r:1:instance/i-1"]
    assert "Condition" not in terminate


def test_images_and_snapshots_are_removed_only_when_they_are_ours() -> None:
    assert "deployer:fleet" in json.dumps(statements(Feature.EXPIRE)["RemoveImages"]["Condition"])


def test_registering_is_allowed_with_the_named_balancers_only() -> None:
    found = statements(Feature.ROLL)
    here = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
    assert found["Register"]["Resource"] == [f"{here}:targetgroup/shop-web/*"]
    assert found["RegisterClassic"]["Resource"] == [f"{here}:loadbalancer/old-web"]
    assert {
        action.partition(":")[2] for name in ("Register", "RegisterClassic") for action in found[name]["Action"]
    } == {
        "RegisterTargets",
        "DeregisterTargets",
        "RegisterInstancesWithLoadBalancer",
        "DeregisterInstancesFromLoadBalancer",
    }


def test_consoles_and_user_data_are_shown_of_the_fleets_own_instances_alone() -> None:
    found = statements(Feature.LOOK)
    shown = {"ec2:DescribeInstanceAttribute", "ec2:GetConsoleOutput"}
    assert not shown & set(found["Look"]["Action"])
    assert found["LookIntoFleet"]["Condition"] == {"StringEquals": {"aws:ResourceTag/Service": "shop"}}
    assert found["LookIntoOurs"]["Condition"] == {"StringEquals": {"aws:ResourceTag/deployer:fleet": "web"}}
    for name in ("LookIntoFleet", "LookIntoOurs"):
        assert set(found[name]["Action"]) == shown
        assert found[name]["Resource"] == ["arn:aws:ec2:eu-west-1:123456789012:instance/*"]


@pytest.mark.parametrize(
    ("region", "partition", "service"),
    [
        ("cn-north-1", "aws-cn", "ec2.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "ec2.amazonaws.com"),
        ("eu-west-1", "aws", "ec2.amazonaws.com"),
        ("*", "aws", "ec2.amazonaws.com"),
    ],
)
def test_every_arn_is_of_the_regions_partition(region: str, partition: str, service: str) -> None:
    scope = PolicyScope(
        "web", region=region, group="g", bundles=("b/k",), state_bucket="s/p", state_table="t", target_groups=("x",)
    )
    document: Any = policy(scope, Feature)
    resources = {one for item in document["Statement"] for one in item["Resource"]}
    assert {one.split(":")[1] for one in resources if one != "*"} == {partition}
    (passed,) = [item for item in document["Statement"] if item["Sid"] == "PassRole"]
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": service}}


def test_state_in_a_bucket_is_its_prefix_and_nothing_beside_it() -> None:
    found = statements()
    assert found["KeepState"]["Resource"] == ["arn:aws:s3:::state/deployer/*"]
    assert found["ListState"]["Condition"] == {"StringLike": {"s3:prefix": "deployer/*"}}
    assert found["KeepStateInTable"]["Action"] == [
        f"dynamodb:{name}" for name in ("DeleteItem", "GetItem", "PutItem", "Query")
    ]


def test_a_group_may_launch_from_its_own_template_what_carries_no_tag_of_ours() -> None:
    scope = PolicyScope("web", account="1", region="cn-north-1", group="g", templates=("lt-1",))
    document: Any = policy(scope, [Feature.RELAUNCH])
    (found,) = [item for item in document["Statement"] if item["Sid"] == "LaunchByGroup"]
    assert found["Condition"] == {
        "ArnLike": {"ec2:LaunchTemplate": ["arn:aws-cn:ec2:cn-north-1:1:launch-template/lt-1"]}
    }
    alone: Any = policy(PolicyScope("web"), [Feature.RELAUNCH])
    assert "LaunchByGroup" not in [item["Sid"] for item in alone["Statement"]]


def test_what_is_known_of_a_fleet_narrows_its_policy() -> None:
    listener = "arn:aws:elasticloadbalancing:r:1:listener/app/web/1/2"
    known = PolicyScope(
        "web",
        account="1",
        region="r",
        roles=(),
        listeners=(listener,),
        subnets=("subnet-1",),
        templates=("lt-1",),
        group="g",
    )
    document: Any = policy(known, Feature)
    found = {item["Sid"]: item for item in document["Statement"]}
    assert "PassRole" not in found
    assert found["SetWeights"]["Resource"] == [listener]
    assert found["LaunchSource"]["Resource"] == ["arn:aws:ec2:r:1:launch-template/lt-1"]
    launched = found["LaunchFrom"]["Resource"]
    assert "arn:aws:ec2:r:1:subnet/subnet-1" in launched
    assert "arn:aws:ec2:r:1:launch-template/lt-1" in launched
    assert not any(one.endswith(("subnet/*", "launch-template/*")) for one in launched)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ec2:RunInstances", "ec2:RunInstances"),
        ("elbv2:RegisterTargets", "elasticloadbalancing:RegisterTargets"),
        ("elb:DescribeInstanceHealth", "elasticloadbalancing:DescribeInstanceHealth"),
        ("s3:GetObject", "s3:GetObject"),
        ("s3:ListObjectsV2", "s3:ListBucket"),
        ("dynamodb:PutItem", "dynamodb:PutItem"),
        ("s3:HeadObject", "s3:GetObject"),
        ("codedeploy:CreateDeployment", "codedeploy:CreateDeployment"),
        ("cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarms"),
        ("sts:GetCallerIdentity", None),
    ],
)
def test_each_call_has_its_iam_action(operation: str, action: str | None) -> None:
    assert action_of(operation) == action
