"""The balancers in front of the lab's first fleet: ELBv2 with a target group, or a classic one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mypy_boto3_elb import ElasticLoadBalancingClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import ActionTypeDef, CreateTargetGroupInputTypeDef

HEALTH_PATH = "/healthz"
_HEALTH_INTERVAL = 5
_HEALTH_TIMEOUT = 2
_HEALTHY, _UNHEALTHY = 2, 3
_LISTENER_PORT = 80


@dataclass(frozen=True)
class Wanted:
    """What a balancer in front of the fleet is made of."""

    balancer: str
    """Its name; a classic one goes by the name of its members."""
    members: str
    """The name of its target group, or of the classic balancer."""
    port: int
    """The port of the hosts that it sends to and checks."""
    subnets: Sequence[str]
    delay: int
    """The deregistration delay, or a classic balancer's draining timeout, in seconds."""
    other_side: str = ""
    """The name of a second target group, which the listener sends nothing; "" for none."""


class Front(Protocol):
    """A balancer in front of the fleet."""

    @property
    def target_group(self) -> str | None:
        """The ARN of its target group; None for a classic balancer."""
        ...

    def register(self, ids: Sequence[str]) -> None:
        """Registers instances."""
        ...

    def in_service(self) -> int:
        """How many instances it sends traffic to."""
        ...


@dataclass(frozen=True)
class TargetGroupFront:
    """An ALB or NLB with one listener and the target group that the fleet is in."""

    elbv2: ElasticLoadBalancingv2Client
    target_group: str

    @classmethod
    def make(
        cls, elbv2: ElasticLoadBalancingv2Client, vpc: str, wanted: Wanted, *, network: bool
    ) -> TargetGroupFront:
        """Makes the balancer, its listener and its target groups."""
        settings: CreateTargetGroupInputTypeDef = {
            "Name": wanted.members,
            "Protocol": "TCP" if network else "HTTP",
            "Port": wanted.port,
            "VpcId": vpc,
            "TargetType": "instance",
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPath": HEALTH_PATH,
            "HealthCheckIntervalSeconds": _HEALTH_INTERVAL,
            "HealthCheckTimeoutSeconds": _HEALTH_TIMEOUT,
            "HealthyThresholdCount": _HEALTHY,
            "UnhealthyThresholdCount": _UNHEALTHY,
        }
        names = (wanted.members, *([wanted.other_side] if wanted.other_side else []))
        groups = [_target_group(elbv2, {**settings, "Name": name}, wanted.delay) for name in names]
        balancer = elbv2.create_load_balancer(
            Name=wanted.balancer, Subnets=list(wanted.subnets), Type="network" if network else "application"
        )["LoadBalancers"][0]
        elbv2.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="TCP" if network else "HTTP",
            Port=_LISTENER_PORT,
            DefaultActions=[_forward(groups)],
        )
        return cls(elbv2, groups[0])

    def register(self, ids: Sequence[str]) -> None:
        """See `Front`."""
        targets = [{"Id": name} for name in ids]
        self.elbv2.register_targets(TargetGroupArn=self.target_group, Targets=targets)  # type: ignore[arg-type]

    def in_service(self) -> int:
        """See `Front`."""
        answer = self.elbv2.describe_target_health(TargetGroupArn=self.target_group)
        return sum(target["TargetHealth"]["State"] == "healthy" for target in answer["TargetHealthDescriptions"])


@dataclass(frozen=True)
class ClassicFront:
    """A classic ELB with one listener."""

    elb: ElasticLoadBalancingClient
    name: str
    target_group: None = field(default=None, init=False)

    @classmethod
    def make(cls, elb: ElasticLoadBalancingClient, wanted: Wanted, *, passes_on: bool) -> ClassicFront:
        """Makes the balancer; where it `passes_on`, its listener is TCP."""
        protocol = "TCP" if passes_on else "HTTP"
        elb.create_load_balancer(
            LoadBalancerName=wanted.members,
            Subnets=list(wanted.subnets),
            Listeners=[
                {
                    "Protocol": protocol,
                    "LoadBalancerPort": _LISTENER_PORT,
                    "InstanceProtocol": protocol,
                    "InstancePort": wanted.port,
                }
            ],
        )
        elb.configure_health_check(
            LoadBalancerName=wanted.members,
            HealthCheck={
                "Target": f"HTTP:{wanted.port}{HEALTH_PATH}",
                "Interval": _HEALTH_INTERVAL,
                "Timeout": _HEALTH_TIMEOUT,
                "HealthyThreshold": _HEALTHY,
                "UnhealthyThreshold": _UNHEALTHY,
            },
        )
        elb.modify_load_balancer_attributes(
            LoadBalancerName=wanted.members,
            LoadBalancerAttributes={
                "CrossZoneLoadBalancing": {"Enabled": True},
                "ConnectionDraining": {"Enabled": True, "Timeout": max(1, wanted.delay)},
            },
        )
        return cls(elb, wanted.members)

    def register(self, ids: Sequence[str]) -> None:
        """See `Front`."""
        self.elb.register_instances_with_load_balancer(
            LoadBalancerName=self.name, Instances=[{"InstanceId": name} for name in ids]
        )

    def in_service(self) -> int:
        """See `Front`."""
        answer = self.elb.describe_instance_health(LoadBalancerName=self.name)
        return sum(state["State"] == "InService" for state in answer["InstanceStates"])


def _target_group(elbv2: ElasticLoadBalancingv2Client, wanted: CreateTargetGroupInputTypeDef, delay: int) -> str:
    group = elbv2.create_target_group(**wanted)["TargetGroups"][0]["TargetGroupArn"]
    attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}
    elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[attribute])  # type: ignore[list-item]
    return group


def _forward(groups: list[str]) -> ActionTypeDef:
    """Forwards to the first group; where there is a second one, it is in the action with weight 0."""
    if len(groups) == 1:
        return {"Type": "forward", "TargetGroupArn": groups[0]}
    shares = [{"TargetGroupArn": arn, "Weight": 0 if n else 100} for n, arn in enumerate(groups)]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}  # type: ignore[misc,typeddict-item]
