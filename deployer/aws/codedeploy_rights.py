"""What credentials must be allowed to deploy a fleet with CodeDeploy, beside what the fleet itself needs.

Which actions take which resources is from the Service Authorization Reference; those of targets take none.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.aws.iam import Statement


@dataclass(frozen=True)
class CodeDeployScope:
    """What deployments stand on. `role` is the service role's ARN, where groups are made with one."""

    application: str
    groups: tuple[str, ...]
    bucket: str
    prefix: str
    role: str | None = None
    account: str = "*"
    region: str = "*"


def codedeploy_rights(scope: CodeDeployScope) -> tuple[Statement, ...]:
    """The statements."""
    here = f"arn:aws:codedeploy:{scope.region}:{scope.account}"
    found = (
        Statement(
            "DeployApplication",
            _named("CreateApplication", "GetApplication", "RegisterApplicationRevision", "GetApplicationRevision"),
            (f"{here}:application:{scope.application}",),
        ),
        Statement(
            "DeployToGroup",
            _named(
                "CreateDeployment",
                "CreateDeploymentGroup",
                "GetDeployment",
                "GetDeploymentGroup",
                "ListDeployments",
                "UpdateDeploymentGroup",
            ),
            tuple(f"{here}:deploymentgroup:{scope.application}/{group}" for group in scope.groups),
        ),
        Statement(
            "DeployConfiguration",
            _named("CreateDeploymentConfig", "GetDeploymentConfig"),
            (f"{here}:deploymentconfig:*",),
        ),
        Statement(
            "FollowDeployment",
            _named("BatchGetDeploymentTargets", "ContinueDeployment", "ListDeploymentTargets", "StopDeployment"),
        ),
        Statement(
            "UploadRevisions",
            ("s3:GetObject", "s3:PutObject"),
            (f"arn:aws:s3:::{scope.bucket}/{scope.prefix}*",),
        ),
        # Without it a revision that is not there yet reads as one that may not be read.
        Statement("ListRevisions", ("s3:ListBucket",), (f"arn:aws:s3:::{scope.bucket}",)),
    )
    if scope.role is None:
        return found
    service = {"StringEquals": {"iam:PassedToService": "codedeploy.amazonaws.com"}}
    return (*found, Statement("PassRoleToCodeDeploy", ("iam:PassRole",), (scope.role,), service))


def _named(*actions: str) -> tuple[str, ...]:
    return tuple(f"codedeploy:{action}" for action in actions)
