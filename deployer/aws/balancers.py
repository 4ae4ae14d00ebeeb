"""Balancers as the model knows them: target groups with the load balancers before them, and classic ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.aws.errors import code_of, translated
from deployer.aws.session import AwsSession
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Balancer, BalancerKind

if TYPE_CHECKING:
    from mypy_boto3_elb.type_defs import LoadBalancerDescriptionTypeDef
    from mypy_boto3_elbv2.type_defs import LoadBalancerTypeDef, TargetDescriptionTypeDef, TargetGroupTypeDef

_NLB_PROTOCOLS = frozenset({"TCP", "UDP", "TLS", "TCP_UDP", "QUIC", "TCP_QUIC"})
_DATAGRAMS = frozenset({"UDP", "TCP_UDP", "QUIC", "TCP_QUIC"})
_NOT_FOUND = frozenset({"TargetGroupNotFound", "LoadBalancerNotFound", "ValidationError"})


@dataclass(frozen=True)
class FoundBalancer:
    """A balancer, the load balancers before it, and what is wrong with it as it stands (None: nothing)."""

    balancer: Balancer
    load_balancers: tuple[str, ...] = ()
    problem: str | None = None


class BalancerReader:
    """Reads balancers; each load balancer and its attributes once. Raises PreflightRefused or AwsError."""

    def __init__(self, session: AwsSession) -> None:
        self._session = session
        self._load_balancers: dict[str, LoadBalancerTypeDef] = {}
        self._idle: dict[str, float] = {}
        self._all: list[TargetGroupTypeDef] | None = None
        self._all_classic: list[LoadBalancerDescriptionTypeDef] | None = None
        self._targets: dict[str, tuple[TargetDescriptionTypeDef, ...]] = {}

    def named(self, name: str) -> list[FoundBalancer]:
        """The balancer of that name or ARN: a target group, a classic ELB, or all groups of an ALB or NLB.

        Raises PreflightRefused when there is none.
        """
        if ":targetgroup/" in name:
            groups = self._groups(TargetGroupArns=[name])
        elif ":loadbalancer/app/" in name or ":loadbalancer/net/" in name:
            groups = self._groups(LoadBalancerArn=name)
        else:
            plain = name.rsplit("loadbalancer/", 1)[-1]
            classic = self._classic([plain])
            if classic:
                return [self._classic_facts(classic[0])]
            groups = self._groups(Names=[plain]) or self._groups_behind(plain)
        if not groups:
            raise PreflightRefused(
                f"the balancer {name!r} does not exist in {self._session.region}: expected the name or ARN of a "
                f"target group or of a classic load balancer; there are {self._what_there_is()}"
            )
        return [self.group_facts(group) for group in groups]

    def groups_named(self, name: str) -> list[TargetGroupTypeDef]:
        """The target group of that name or ARN, as AWS gives it; none where there is none."""
        return self._groups(TargetGroupArns=[name]) if ":targetgroup/" in name else self._groups(Names=[name])

    def groups(self) -> list[TargetGroupTypeDef]:
        """Every target group of the account in this region, read once."""
        if self._all is None:
            self._all = self._groups()
        return self._all

    def groups_of_vpcs(self, vpcs: frozenset[str]) -> list[TargetGroupTypeDef]:
        """Every target group of instances in these VPCs that a rollout can drive."""
        return [
            group
            for group in self.groups()
            if group.get("TargetType", "instance") == "instance"
            and group.get("VpcId", "") in vpcs
            and not is_gateway(group)
        ]

    def targets_of(self, arn: str) -> tuple[TargetDescriptionTypeDef, ...]:
        """What is registered with a target group: instances, addresses, functions or load balancers; read once."""
        if arn not in self._targets:
            with translated(f"asking {arn} for its targets"):
                answer = self._session.elbv2.describe_target_health(TargetGroupArn=arn)
            held = answer.get("TargetHealthDescriptions", [])
            self._targets[arn] = tuple(item["Target"] for item in held if "Target" in item)
        return self._targets[arn]

    def members_of_group(self, arn: str) -> frozenset[str]:
        """The instances that are registered with a target group."""
        return frozenset(target["Id"] for target in self.targets_of(arn))

    def classic_members(self) -> dict[str, frozenset[str]]:
        """Every classic balancer of the region by name, with the instances that are registered with it."""
        return {
            raw.get("LoadBalancerName", ""): frozenset(
                item.get("InstanceId", "") for item in raw.get("Instances", [])
            )
            for raw in self._every_classic()
        }

    def classic_holding(self, instances: frozenset[str]) -> list[FoundBalancer]:
        """The classic balancers that any of these instances is registered with."""
        return [
            self._classic_facts(raw)
            for raw in self._every_classic()
            if instances & {item.get("InstanceId", "") for item in raw.get("Instances", [])}
        ]

    def _every_classic(self) -> list[LoadBalancerDescriptionTypeDef]:
        if self._all_classic is None:
            self._all_classic = self._classic()
        return self._all_classic

    def _groups(self, **which: Any) -> list[TargetGroupTypeDef]:
        """Target groups; those that are named and do not exist are left out."""
        found: list[TargetGroupTypeDef] = []
        with translated("describing the target groups"):
            try:
                for page in self._session.elbv2.get_paginator("describe_target_groups").paginate(**which):
                    found.extend(page.get("TargetGroups", []))
            except self._session.elbv2.exceptions.ClientError as error:
                if not which or code_of(error) not in _NOT_FOUND:
                    raise
        return found

    def _groups_behind(self, name: str) -> list[TargetGroupTypeDef]:
        with translated("describing the load balancers"):
            try:
                answer = self._session.elbv2.describe_load_balancers(Names=[name])
            except self._session.elbv2.exceptions.ClientError as error:
                if code_of(error) not in _NOT_FOUND:
                    raise
                return []
        arns = [raw.get("LoadBalancerArn", "") for raw in answer.get("LoadBalancers", [])]
        return [group for arn in arns for group in self._groups(LoadBalancerArn=arn)]

    def _classic(self, names: Sequence[str] = ()) -> list[LoadBalancerDescriptionTypeDef]:
        which: dict[str, Any] = {"LoadBalancerNames": list(names)} if names else {}
        found: list[LoadBalancerDescriptionTypeDef] = []
        with translated("describing the classic load balancers"):
            try:
                for page in self._session.elb.get_paginator("describe_load_balancers").paginate(**which):
                    found.extend(page.get("LoadBalancerDescriptions", []))
            except self._session.elb.exceptions.ClientError as error:
                if not which or code_of(error) not in _NOT_FOUND:
                    raise
        return found

    def group_facts(self, group: TargetGroupTypeDef) -> FoundBalancer:
        """What a rollout needs to know of a target group."""
        arn, name = group.get("TargetGroupArn", ""), group.get("TargetGroupName", "")
        load_balancers = tuple(group.get("LoadBalancerArns", ()))
        if (kind := group.get("TargetType", "instance")) != "instance":
            raise PreflightRefused(
                f"the target group {name} holds targets of type {kind}; expected type instance, which is what a "
                f"fleet of EC2 instances is registered as: {_OTHER_TYPES.get(kind, 'name such a group instead')}"
            )
        if is_gateway(group):
            raise PreflightRefused(
                f"the target group {name} is of a Gateway Load Balancer, which sends packets (GENEVE) whose flows "
                f"nobody can drain here; name target groups of an ALB or NLB in `balancers`"
            )
        with translated(f"reading the attributes of {name}"):
            answer = self._session.elbv2.describe_target_group_attributes(TargetGroupArn=arn)
        attributes = {item.get("Key", ""): item.get("Value", "") for item in answer["Attributes"]}
        interval = float(group.get("HealthCheckIntervalSeconds", 30))
        balancer = Balancer(
            id=arn,
            name=name,
            kind=BalancerKind.NLB if group.get("Protocol") in _NLB_PROTOCOLS else BalancerKind.ALB,
            port=int(group.get("Port", 80)),
            deregistration_delay=float(attributes.get("deregistration_delay.timeout_seconds", 300)),
            health_interval=interval,
            # One passing check makes a newly registered target healthy (ALB user guide, health checks).
            health_seconds=interval,
            zones=self._zones(load_balancers),
            idle_timeout=min((self._idle_timeout(arn) for arn in load_balancers), default=60.0),
            datagrams=group.get("Protocol") in _DATAGRAMS,
        )
        return FoundBalancer(balancer, load_balancers, _detached(name) if not load_balancers else None)

    def _zones(self, arns: Iterable[str]) -> frozenset[str]:
        zones = (self._load_balancer(arn).get("AvailabilityZones", []) for arn in arns)
        return frozenset(zone.get("ZoneName", "") for enabled in zones for zone in enabled)

    def _load_balancer(self, arn: str) -> LoadBalancerTypeDef:
        if arn not in self._load_balancers:
            with translated("describing the load balancers"):
                answer = self._session.elbv2.describe_load_balancers(LoadBalancerArns=[arn])
            self._load_balancers[arn] = answer["LoadBalancers"][0]
        return self._load_balancers[arn]

    def _idle_timeout(self, arn: str) -> float:
        if arn not in self._idle:
            with translated("reading the attributes of the load balancer"):
                answer = self._session.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)
            attributes = {item.get("Key", ""): item.get("Value", "") for item in answer["Attributes"]}
            self._idle[arn] = float(attributes.get("idle_timeout.timeout_seconds", 60))
        return self._idle[arn]

    def _classic_facts(self, raw: LoadBalancerDescriptionTypeDef) -> FoundBalancer:
        name = raw.get("LoadBalancerName", "")
        with translated(f"reading the attributes of {name}"):
            answer = self._session.elb.describe_load_balancer_attributes(LoadBalancerName=name)
        attributes: Mapping[str, Any] = answer["LoadBalancerAttributes"]
        draining = attributes.get("ConnectionDraining", {})
        check = raw.get("HealthCheck", {"Interval": 30, "HealthyThreshold": 10})
        listeners = raw.get("ListenerDescriptions", [])
        ports = [item.get("Listener", {}).get("InstancePort", 80) for item in listeners]
        return FoundBalancer(
            Balancer(
                id=name,
                name=name,
                kind=BalancerKind.CLASSIC,
                port=int(ports[0]) if ports else 80,
                deregistration_delay=float(draining.get("Timeout", 300)) if draining.get("Enabled") else 0.0,
                health_interval=float(check["Interval"]),
                # A classic balancer always wants the threshold, for a new instance too (CLB user guide).
                health_seconds=float(check["Interval"] * check["HealthyThreshold"]),
                zones=frozenset(raw.get("AvailabilityZones", ())),
                more_ports=tuple(sorted({int(port) for port in ports[1:]} - {int(ports[0])})) if ports else (),
                idle_timeout=float(attributes.get("ConnectionSettings", {}).get("IdleTimeout", 60)),
            ),
            problem=None if ports else f"the classic load balancer {name} has no listener",
        )

    def _what_there_is(self) -> str:
        names = [group.get("TargetGroupName", "") for group in self.groups()]
        names += self.classic_members()
        return ", ".join(sorted(names)[:20]) or "none at all"


_OTHER_TYPES: Mapping[str, str] = {
    "ip": "register the instances by id in a group of type instance, since a successor has another address",
    "lambda": "a function is called in the fleet's place, and no rollout here changes that",
    "alb": "it forwards to another load balancer, so name that one's own target groups",
}


def is_gateway(group: TargetGroupTypeDef) -> bool:
    """Whether a target group is of a Gateway Load Balancer (ELBv2 API reference, CreateTargetGroup)."""
    return group.get("Protocol") == "GENEVE"


def _detached(name: str) -> str:
    return (
        f"the target group {name} is attached to no load balancer, so its targets stay unused for ever; "
        f"add a listener or rule that forwards to it"
    )
