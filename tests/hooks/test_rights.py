"""What the hooks of a fleet must be allowed is in its policy, and nothing more."""

from __future__ import annotations

from pathlib import Path

from deployer.rollout.hooks.line import fit_hooks
from deployer.rollout.hooks.rights import hook_rights
from deployer.rollout.permissions import iam_policy
from tests.hooks.test_line import fleet, gates, hooks


def test_each_built_in_that_calls_aws_brings_its_rights_narrowed_to_its_settings(tmp_path: Path) -> None:
    text = (
        hooks('use = "sns"\nsettings = { topic = "arn:aws:sns:eu-west-1:1:t" }')
        + hooks(
            'use = "static_assets"\nsettings = { source = "s", bucket = "b", prefix = "p", distribution = "E" }'
        )
        + hooks('use = "migrate"\nsettings = { command = ["m"], snapshot = "db-1" }')
        + gates('use = "alarms"\nsettings = { names = ["a"] }')
        + gates('use = "alarms"\nsettings = { names = ["b"] }')
        + gates('use = "metric"\nsettings = { namespace = "S", metric = "E", success = "< 1" }')
        + hooks('run = "./x"')
    )
    rights = hook_rights(fit_hooks(fleet(tmp_path, text)), "1", "eu-west-1")
    found = {right.actions[0]: right.resources for right in rights}
    assert found["sns:Publish"] == ("arn:aws:sns:eu-west-1:1:t",)
    assert found["s3:PutObject"] == ("arn:aws:s3:::b/p/*",)
    assert found["s3:ListBucket"] == ("arn:aws:s3:::b",)
    assert found["cloudfront:CreateInvalidation"] == ("arn:aws:cloudfront::1:distribution/E",)
    assert "arn:aws:rds:eu-west-1:1:db:db-1" in found["rds:AddTagsToResource"]
    assert found["cloudwatch:GetMetricStatistics"] == ("*",)
    here = "arn:aws:cloudwatch:eu-west-1:1:alarm"
    assert found["cloudwatch:DescribeAlarms"] == (f"{here}:a", f"{here}:b")
    assert [right.actions for right in rights].count(("cloudwatch:DescribeAlarms",)) == 1
    assert len({right.sid for right in rights}) == len(rights)


def test_the_policy_of_a_fleet_counts_them_in(tmp_path: Path) -> None:
    settings = fleet(tmp_path, gates('use = "alarms"\nsettings = { names = ["a"] }'))
    assert "cloudwatch:DescribeAlarms" in str(iam_policy(settings, "1", "eu-west-1"))
    assert "cloudwatch" not in str(iam_policy(fleet(tmp_path, ""), "1", "eu-west-1"))
