"""Classic load balancers, in the words of target groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.aws.batches import as_done, as_lag, bisect
from deployer.aws.errors import attempt
from deployer.engine.ports import Registration
from deployer.model.fleet import Target, TargetState
from deployer.model.outcome import Done, Outcome

if TYPE_CHECKING:
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elb.type_defs import InstanceStateTypeDef

BATCH = 100

_ONE_BAD_INSTANCE = frozenset({"InvalidInstance"})

_DRAINING = "deregistration currently in progress"
"""How DescribeInstanceHealth describes an instance that drains; its state is InService all the while."""

_OUT_OF_SERVICE = (
    ("registration is still in progress", TargetState.INITIAL),
    ("has not passed the configured healthythreshold", TargetState.INITIAL),
    ("availability zone", TargetState.UNUSED),
    ("stopped state", TargetState.UNUSED),
    ("terminated", TargetState.UNUSED),
    ("not currently registered", TargetState.ABSENT),
)
"""The descriptions of the Elastic Load Balancing 2012-06-01 API reference (InstanceState), in lower case."""


def health(elb: ElasticLoadBalancingClient, name: str) -> Outcome[dict[str, Target]]:
    """What one classic balancer says of every instance in it, by instance id: one call."""
    outcome = attempt(
        lambda: elb.describe_instance_health(LoadBalancerName=name), f"asking {name} for its instances"
    )
    if not isinstance(outcome, Done):
        return outcome
    seen = {raw.get("InstanceId", ""): as_target(raw) for raw in outcome.value.get("InstanceStates", [])}
    return Done({ident: t for ident, t in seen.items() if t.state is not TargetState.ABSENT}, outcome.request_id)


def as_target(raw: InstanceStateTypeDef) -> Target:
    """One line of DescribeInstanceHealth.

    ReasonCode is `ELB` while a registration is new, the zone is not enabled or the balancer itself fails,
    and `Instance` when the instance fails its checks or does not run.
    """
    description = raw.get("Description", "")
    reason = raw.get("ReasonCode", "")
    return Target(_state(raw.get("State", ""), reason, description.lower()), reason, description)


def _state(state: str, reason: str, description: str) -> TargetState:
    if _DRAINING in description:
        return TargetState.DRAINING
    match state:
        case "InService":
            return TargetState.HEALTHY
        case "OutOfService":
            return _why_out(reason, description)
        case _:
            return TargetState.UNKNOWN


def _why_out(reason: str, description: str) -> TargetState:
    """`ELB` and `Instance` are all the codes there are; the rest is told by the documented descriptions alone."""
    for text, state in _OUT_OF_SERVICE:
        if text in description:
            return state
    return TargetState.UNHEALTHY if reason == "Instance" else TargetState.UNAVAILABLE


def register(
    elb: ElasticLoadBalancingClient, name: str, items: Sequence[Registration]
) -> dict[Registration, Outcome[None]]:
    """Registers, one call unless an instance is bad. InvalidInstance just after a launch is lag: Temporary."""

    def call(batch: Sequence[Registration]) -> Outcome[object]:
        return attempt(
            lambda: elb.register_instances_with_load_balancer(
                LoadBalancerName=name, Instances=[{"InstanceId": item.instance} for item in batch]
            ),
            f"registering {len(batch)} with {name}",
        )

    return as_lag(bisect(items, call, _ONE_BAD_INSTANCE, size=BATCH), _ONE_BAD_INSTANCE)


def deregister(
    elb: ElasticLoadBalancingClient, name: str, items: Sequence[Registration]
) -> dict[Registration, Outcome[None]]:
    """Deregisters, one call unless an instance is bad; one that the balancer does not know is Done."""

    def call(batch: Sequence[Registration]) -> Outcome[object]:
        return attempt(
            lambda: elb.deregister_instances_from_load_balancer(
                LoadBalancerName=name, Instances=[{"InstanceId": item.instance} for item in batch]
            ),
            f"deregistering {len(batch)} from {name}",
        )

    return as_done(bisect(items, call, _ONE_BAD_INSTANCE, size=BATCH), _ONE_BAD_INSTANCE)
