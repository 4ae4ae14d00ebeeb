"""Records in the shape of the API, as botocore reads it."""

from __future__ import annotations

import botocore.session
from botocore.validate import ParamValidator

from deployer.lab.codedeploy.documents import group_document
from deployer.lab.codedeploy.records import Group


def test_a_groups_auto_scaling_groups_are_shown_with_the_hooks_that_codedeploy_put_on_them() -> None:
    group = Group("shop", "web", "id-1", {"autoScalingGroups": ["shop-web"], "serviceRoleArn": "arn"})

    shown = group_document(group)

    assert [one["name"] for one in shown["autoScalingGroups"]] == ["shop-web"]
    assert shown["autoScalingGroups"][0]["hook"].startswith("CodeDeploy-managed-automatic-launch-deployment-hook-")
    model = botocore.session.get_session().get_service_model("codedeploy")
    shape = model.shape_for("DeploymentGroupInfo")
    assert not ParamValidator().validate(shown, shape).has_errors()
