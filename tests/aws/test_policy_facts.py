"""What a fleet's policy is narrowed to by one look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from deployer.aws.found import FoundFleet
from deployer.aws.policy_facts import policy_facts
from deployer.aws.query import FleetQuery
from deployer.aws.session import AwsSession, Identity
from deployer.model.fleet import Balancer, BalancerKind, Instance, InstanceState

ELB = "arn:aws:elasticloadbalancing:eu-west-1:1"
GROUP, OTHER = f"{ELB}:targetgroup/web/1", f"{ELB}:targetgroup/other/2"
ROLE = "arn:aws:iam::1:role/path/web"
PROFILE = "arn:aws:iam::1:instance-profile/p/web-profile"


@dataclass
class Pages:
    """A client whose paginators give these answers."""

    answers: Mapping[str, Mapping[str, Any]]

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=lambda **asked: iter([self._answer(name, asked)]))

    def _answer(self, name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Any = self.answers[name]
        return cast("Mapping[str, Any]", found(asked) if callable(found) else found)


def forward(arn: str) -> dict[str, Any]:
    return {"Type": "forward", "TargetGroupArn": arn}


def rules(asked: Mapping[str, Any]) -> dict[str, Any]:
    if asked["ListenerArn"].endswith("/80"):
        return {
            "Rules": [
                {"RuleArn": "rule/default", "IsDefault": True, "Actions": [forward(OTHER)]},
                {"RuleArn": "rule/shop", "IsDefault": False, "Actions": [forward(GROUP)]},
            ]
        }
    return {"Rules": [{"RuleArn": "rule/443", "IsDefault": True, "Actions": [forward(GROUP)]}]}


@dataclass
class Session:
    """What is asked of AWS, answered from memory."""

    profile: Mapping[str, str] = field(
        default_factory=lambda: {"Arn": "arn:aws:iam::1:instance-profile/p/web-profile"}
    )
    region: str = "eu-west-1"

    def identity(self) -> Identity:
        return Identity("1", "arn:aws:iam::1:user/ann", self.region)

    @property
    def ec2(self) -> Any:
        one = {"InstanceId": "i-1", "SubnetId": "subnet-1"} | (
            {"IamInstanceProfile": self.profile} if self.profile else {}
        )
        return Pages({"describe_instances": {"Reservations": [{"Instances": [one]}]}})

    @property
    def elbv2(self) -> Any:
        listeners = {"Listeners": [{"ListenerArn": "listener/80"}, {"ListenerArn": "listener/443"}]}
        return Pages({"describe_listeners": listeners, "describe_rules": cast("Any", rules)})

    @property
    def iam(self) -> Any:
        def get_instance_profile(InstanceProfileName: str) -> Any:  # noqa: N803 - AWS's own name
            assert InstanceProfileName == "web-profile"
            return {"InstanceProfile": {"Roles": [{"Arn": ROLE}]}}

        return SimpleNamespace(get_instance_profile=get_instance_profile)

    @property
    def autoscaling(self) -> Any:
        group = {"VPCZoneIdentifier": "subnet-1, subnet-2", "LaunchTemplate": {"LaunchTemplateId": "lt-1"}}
        return SimpleNamespace(describe_auto_scaling_groups=lambda **_: {"AutoScalingGroups": [group]})


def found(asg: str | None = None) -> FoundFleet:
    instance = Instance("i-1", InstanceState.RUNNING, "eu-west-1a", "ami-1", "t3.micro", "10.0.0.1")
    balancers = (Balancer(GROUP, "web", BalancerKind.ALB, 80), Balancer("old", "old", BalancerKind.CLASSIC, 80))
    return FoundFleet(FleetQuery("web", asg=asg), (instance,), balancers, (f"{ELB}:loadbalancer/app/x/1",))


def facts(session: Session, asg: str | None = None) -> Any:
    return policy_facts(cast("AwsSession", session), found(asg))


def test_only_the_rules_that_send_to_the_fleet_are_named_and_the_listener_of_a_default_one() -> None:
    seen = facts(Session())
    assert seen.listeners == ("rule/shop", "listener/443")
    assert (seen.target_groups, seen.classic) == ((GROUP,), ("old",))


def test_the_role_is_that_of_the_instance_profile_and_none_where_there_is_none() -> None:
    assert facts(Session()).roles == (ROLE,)
    assert facts(Session(profile={})).roles == ()


def test_a_group_adds_its_subnets_and_its_template() -> None:
    alone, grouped = facts(Session()), facts(Session(), "web")
    assert (alone.subnets, alone.templates) == (("subnet-1",), ())
    assert (grouped.subnets, grouped.templates) == (("subnet-1", "subnet-2"), ("lt-1",))
