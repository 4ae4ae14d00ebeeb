"""What CodeDeploy needs is in the policy, on the fleet's own application, group and revisions alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from deployer.backends.codedeploy.permissions import iam_policy
from deployer.config.codedeploy import CodeDeploySettings
from tests.backends.codedeploy.test_translation import fleet

ROLE = "arn:aws:iam::123456789012:role/codedeploy"


def statements(**rollout: object) -> dict[str, Any]:
    settings = replace(fleet(**rollout), codedeploy=CodeDeploySettings(bucket="revisions", service_role=ROLE))  # type: ignore[arg-type]
    document: Any = iam_policy(settings, "123456789012", "eu-west-1")
    return {one["Sid"]: one for one in document["Statement"]}


def test_deployments_are_allowed_to_the_fleets_own_group() -> None:
    found = statements()

    assert found["DeployToGroup"]["Resource"] == [
        "arn:aws:codedeploy:eu-west-1:123456789012:deploymentgroup:deployer-web/web-in-place"
    ]
    assert found["UploadRevisions"]["Resource"] == ["arn:aws:s3:::revisions/deployer/*"]
    assert found["PassRoleToCodeDeploy"]["Resource"] == [ROLE]
    assert "Terminate" not in found, "in place nothing is launched or ended"


def test_blue_green_launches_and_ends_instances_but_bakes_none() -> None:
    found = statements(strategy="blue-green")

    assert found["DeployToGroup"]["Resource"][0].endswith("deployer-web/web-blue-green")
    assert "LaunchTagged" in found
    assert "RegisterTagged" not in found
