"""What AWS says of a fleet that has no settings yet, for `deployer init`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.aws.balancers import BalancerReader
from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.ec2 import describe, tags_of
from deployer.aws.errors import before_anything
from deployer.aws.query import FILTER_VALUES, chunks
from deployer.aws.session import AwsSession
from deployer.model.errors import AwsError, PreflightRefused

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_elbv2.type_defs import TargetGroupTypeDef

_OWN_GROUP = "aws:autoscaling:groupName"
_TELLING = ("service", "role", "app", "application", "component", "project", "environment", "env", "stage", "name")
"""Tag keys, in lower case, that fleets are commonly told apart by."""


@dataclass(frozen=True)
class PoolFacts:
    """A target group and how it asks for health; None for `port` where it asks on the traffic port."""

    name: str
    arn: str
    target_type: str
    port: int | None
    check_protocol: str
    check_port: int | None
    check_path: str | None
    matcher: str | None

    @property
    def asked_port(self) -> int | None:
        """The port that health is asked on."""
        return self.check_port or self.port


@dataclass(frozen=True)
class Machines:
    """What the instances of a fleet have in common."""

    ids: tuple[str, ...]
    tags: Mapping[str, str]
    """The telling tags that all of them carry with one value."""
    asg: str | None
    """The Auto Scaling group that all of them are of."""
    key_name: str | None


@dataclass(frozen=True)
class DeploymentGroup:
    """A CodeDeploy deployment group as GetDeploymentGroup and GetDeploymentConfig give it."""

    name: str
    info: Mapping[str, Any]
    config: Mapping[str, Any] | None


def pool(session: AwsSession, name: str) -> PoolFacts:
    """The target group of that name or ARN. Raises PreflightRefused where there is none."""
    try:
        [found, *more] = BalancerReader(session).groups_named(name)
    except ValueError:
        raise PreflightRefused(
            f"there is no target group {name!r} in {session.region}; expected its name or ARN"
        ) from None
    except AwsError as error:
        raise PreflightRefused(str(error)) from error
    if more:
        raise PreflightRefused(f"{name!r} stands for several target groups; name one of them by its ARN")
    return _pool_facts(found)


def members(session: AwsSession, found: PoolFacts) -> Machines:
    """The instances that are registered with a target group of instances. Raises PreflightRefused where none is."""
    if found.target_type != "instance":
        raise PreflightRefused(
            f"the target group {found.name} has targets of type {found.target_type!r}; "
            "expected a group of instances"
        )
    try:
        ids = BalancerReader(session).members_of_group(found.arn)
    except AwsError as error:
        raise PreflightRefused(str(error)) from error
    if not ids:
        raise PreflightRefused(f"the target group {found.name} has no targets, so there is no fleet to look at")
    return machines(session, sorted(ids))


def machines(session: AwsSession, ids: Sequence[str]) -> Machines:
    """What these instances have in common. Raises PreflightRefused when AWS cannot be asked."""
    with before_anything("looking at the instances"):
        raw = [
            one
            for chunk in chunks(ids, FILTER_VALUES)
            for one in describe(session.ec2, ({"Name": "instance-id", "Values": list(chunk)},))
        ]
    return Machines(tuple(ids), _common(raw), _one(tags_of(one).get(_OWN_GROUP) for one in raw), _key_name(raw))


def by_filters(session: AwsSession, filters: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The instances that any of CodeDeploy's tag filters fits. [CodeDeploy API, EC2TagFilter]"""
    found: set[str] = set()
    for one in filters:
        key, value = one.get("Key", ""), one.get("Value", "")
        match one.get("Type"):
            case "KEY_ONLY":
                wanted = {"Name": "tag-key", "Values": [key]}
            case "VALUE_ONLY":
                wanted = {"Name": "tag-value", "Values": [value]}
            case _:
                wanted = {"Name": f"tag:{key}", "Values": [value]}
        with before_anything("looking for the instances of a tag filter"):
            found.update(raw.get("InstanceId", "") for raw in describe(session.ec2, (wanted,)))  # type: ignore[arg-type]
    return tuple(sorted(found))


def deployment_group(session: AwsSession, application: str, name: str) -> DeploymentGroup:
    """A deployment group and its configuration. Raises PreflightRefused where there is none."""
    door = CodeDeploy(session)
    info = door.group_info(application, name)
    if info is None:
        raise PreflightRefused(
            f"there is no deployment group {name!r} of a CodeDeploy application {application!r} in {session.region}"
        )
    config = door.config(info.get("deploymentConfigName", ""))
    return DeploymentGroup(f"the deployment group {name} of {application}", info, config)


def _pool_facts(raw: TargetGroupTypeDef) -> PoolFacts:
    check_port = raw.get("HealthCheckPort", "traffic-port")
    return PoolFacts(
        name=raw.get("TargetGroupName", ""),
        arn=raw.get("TargetGroupArn", ""),
        target_type=raw.get("TargetType", "instance"),
        port=raw.get("Port"),
        check_protocol=raw.get("HealthCheckProtocol", "HTTP"),
        check_port=int(check_port) if check_port.isdigit() else None,
        check_path=raw.get("HealthCheckPath"),
        matcher=raw.get("Matcher", {}).get("HttpCode"),
    )


def _common(raw: Sequence[InstanceTypeDef]) -> Mapping[str, str]:
    sets = [set(tags_of(one).items()) for one in raw]
    shared = sorted(set.intersection(*sets)) if sets else []
    return {key: value for key, value in shared if key.lower() in _TELLING}


def _key_name(raw: Sequence[InstanceTypeDef]) -> str | None:
    return _one(one.get("KeyName") for one in raw)


def _one(values: Iterable[str | None]) -> str | None:
    """The only value of all; None where there are several, or one is missing."""
    different = set(values)
    return different.pop() if len(different) == 1 else None
