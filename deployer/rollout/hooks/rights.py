"""What the built-in hooks and gates of a fleet must be allowed to do in AWS; others say so themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deployer.aws.iam import Statement
from deployer.hooks.alarms import Alarms
from deployer.hooks.messages import Sns
from deployer.hooks.metric import Metric
from deployer.hooks.migrate import Migrate
from deployer.hooks.static_assets import StaticAssets
from deployer.rollout.hooks.line import FittedGate, FittedHook, Line


def hook_rights(line: Line, account: str, region: str) -> tuple[Statement, ...]:
    """The statements, numbered; the same right twice is one. What is to stay open is `*`."""
    found = [statement for one in line.all for statement in _of(one, account, region)]
    once = {(one.actions, one.resources): one for one in found}
    return tuple(replace(one, sid=f"{one.sid}{number}") for number, one in enumerate(once.values(), 1))


def _of(one: FittedHook | FittedGate, account: str, region: str) -> Iterator[Statement]:
    match one.hook if isinstance(one, FittedHook) else one.gate:
        case Sns(topic=topic):
            yield Statement("HookPublish", ("sns:Publish",), (topic,))
        case StaticAssets(bucket=bucket, prefix=prefix, distribution=distribution):
            objects = "/".join(part for part in (bucket, prefix.strip("/"), "*") if part)
            yield Statement("HookUpload", ("s3:PutObject",), (f"arn:aws:s3:::{objects}",))
            yield Statement("HookList", ("s3:ListBucket",), (f"arn:aws:s3:::{bucket}",))
            if distribution:
                where = f"arn:aws:cloudfront::{account}:distribution/{distribution}"
                yield Statement("HookInvalidate", ("cloudfront:CreateInvalidation",), (where,))
        case Migrate(snapshot=database) if database:
            yield from _snapshot(database, f"arn:aws:rds:{region}:{account}")
        case Alarms():
            yield Statement("HookAlarms", ("cloudwatch:DescribeAlarms",))
        case Metric(metric=metric) if metric:
            yield Statement("HookMetric", ("cloudwatch:GetMetricStatistics",))


def _snapshot(database: str, here: str) -> Iterator[Statement]:
    """A name may be an instance's or a cluster's."""
    kinds = ("db", "snapshot", "cluster", "cluster-snapshot")
    ours = tuple(f"{here}:{kind}:{database if kind in ('db', 'cluster') else 'deployer-*'}" for kind in kinds)
    actions = ("rds:AddTagsToResource", "rds:CreateDBClusterSnapshot", "rds:CreateDBSnapshot")
    yield Statement("HookSnapshot", actions, ours)
    looks = ("rds:DescribeDBClusterSnapshots", "rds:DescribeDBInstances", "rds:DescribeDBSnapshots")
    yield Statement("HookLook", looks, (f"{here}:*:*",))
