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
    assert statements(Feature.ROLL)["Register"]["Resource"] == [
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-web/*",
        "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/old-web",
    ]


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
