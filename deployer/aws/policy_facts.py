"""What AWS says of a fleet that its settings do not, and that makes its IAM policy narrower."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.aws.ec2 import describe
from deployer.aws.errors import before_anything
from deployer.aws.forwarding import forwardings
from deployer.aws.found import FoundFleet
from deployer.aws.query import FILTER_VALUES, chunks
from deployer.aws.session import AwsSession
from deployer.model.fleet import BalancerKind

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef


@dataclass(frozen=True)
class PolicyFacts:
    """The fleet's account and region, and by ARN or id what its policy need not go beyond."""

    account: str
    region: str
    target_groups: tuple[str, ...]
    classic: tuple[str, ...]
    roles: tuple[str, ...]
    """Of the instance profiles of the fleet's instances; empty where they have none."""
    listeners: tuple[str, ...]
    """The listeners whose default action, and the rules that, send traffic to the fleet's target groups."""
    subnets: tuple[str, ...]
    templates: tuple[str, ...]
    """The launch templates of the fleet's group."""


def policy_facts(session: AwsSession, found: FoundFleet) -> PolicyFacts:
    """Looks once. Raises PreflightRefused where it may not: IAM is asked for the role of each instance profile."""
    with before_anything("looking at the fleet for its policy"):
        ids = [one.id for one in found.instances]
        raw = [
            one
            for chunk in chunks(ids, FILTER_VALUES)
            for one in describe(session.ec2, ({"Name": "instance-id", "Values": list(chunk)},))
        ]
        groups = tuple(one.id for one in found.balancers if one.kind is not BalancerKind.CLASSIC)
        rules = forwardings(session.elbv2, found.load_balancers)
        group = _group(session, found.query.asg)
        return PolicyFacts(
            account=session.identity().account,
            region=session.region,
            target_groups=groups,
            classic=tuple(one.id for one in found.balancers if one.kind is BalancerKind.CLASSIC),
            roles=_roles(session, raw),
            listeners=_once(
                rule.listener if rule.default else rule.rule for rule in rules if set(groups) & set(rule.groups)
            ),
            subnets=_once((*(one.get("SubnetId", "") for one in raw), *_subnets(group))),
            templates=_once(_templates(group)),
        )


def _roles(session: AwsSession, instances: Iterable[InstanceTypeDef]) -> tuple[str, ...]:
    profiles = _once(one.get("IamInstanceProfile", {}).get("Arn", "") for one in instances)
    found = (session.iam.get_instance_profile(InstanceProfileName=arn.rpartition("/")[2]) for arn in profiles)
    return _once(role["Arn"] for answer in found for role in answer["InstanceProfile"]["Roles"])


def _group(session: AwsSession, name: str | None) -> Mapping[str, Any]:
    if name is None:
        return {}
    answer = session.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return next((dict(one) for one in answer["AutoScalingGroups"]), {})


def _subnets(group: Mapping[str, Any]) -> list[str]:
    return [one.strip() for one in group.get("VPCZoneIdentifier", "").split(",")]


def _templates(group: Mapping[str, Any]) -> list[str]:
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    of_types = [one.get("LaunchTemplateSpecification", {}) for one in mixed.get("Overrides", ())]
    specs = (group.get("LaunchTemplate", {}), mixed.get("LaunchTemplateSpecification", {}), *of_types)
    return [one.get("LaunchTemplateId", "") for one in specs]


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in items if one))
