"""The settings of `[fleet.NAME.codedeploy]`: what AWS CodeDeploy needs beside what every rollout has."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.config.kinds import Text
from deployer.config.setting import setting


@dataclass(frozen=True)
class CodeDeploySettings:
    """Where revisions go, and what they are deployed as."""

    bucket: str | None = field(
        default=None, metadata=setting(Text(), "Bucket that revisions are uploaded to; the instances must read it.")
    )
    prefix: str = field(
        default="deployer/",
        metadata=setting(Text('a key prefix such as "deployer/"', r"[^\s\x00-\x1f]*"), "Begins the keys in it."),
    )
    service_role: str | None = field(
        default=None,
        metadata=setting(
            Text("the ARN of a role", r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+"),
            "Role that CodeDeploy acts as; needed where the deployment group is made.",
        ),
    )
    application: str | None = field(
        default=None,
        metadata=setting(
            Text('a name such as "shop"', r"[^\s\x00-\x1f]{1,100}"),
            "CodeDeploy application; `deployer-FLEET` when left out.",
        ),
    )
    group: str | None = field(
        default=None,
        metadata=setting(
            Text('a name such as "web"', r"[^\s\x00-\x1f]{1,100}"),
            "A deployment group of your own: it is used as it is. Else one is made and kept in step.",
        ),
    )
