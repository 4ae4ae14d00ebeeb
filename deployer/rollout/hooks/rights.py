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
    """The statements, numbered; the same actions on several resources are one. What is to stay open is `*`."""
    once: dict[tuple[str, ...], Statement] = {}
    for one in (statement for fitted in line.all for statement in _of(fitted, account, region)):
        before = once.get(one.actions, one)
        once[one.actions] = replace(one, resources=tuple(dict.fromkeys((*before.resources, *one.resources))))
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
        case Alarms(names=names):
            alarms = tuple(f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}" for name in names)
            yield Statement("HookAlarms", ("cloudwatch:DescribeAlarms",), alarms)
        case Metric(metric=metric) if metric:
            yield Statement("HookMetric", ("cloudwatch:GetMetricStatistics",))


def _snapshot(database: str, here: str) -> Iterator[Statement]:
    """A name may be an instance's or a cluster's."""
    kinds = ("db", "snapshot", "cluster", "cluster-snapshot")
    ours = tuple(f"{here}:{kind}:{database if kind in ('db', 'cluster') else 'deployer-*'}" for kind in kinds)
    actions = (
        "rds:AddTagsToResource",
        "rds:CreateDBClusterSnapshot",
        "rds:CreateDBSnapshot",
        "rds:DescribeDBClusterSnapshots",
        "rds:DescribeDBInstances",
        "rds:DescribeDBSnapshots",
    )
    yield Statement("HookSnapshot", actions, ours)
