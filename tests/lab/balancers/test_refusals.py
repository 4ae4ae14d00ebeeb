"""What ELBv2 refuses, by the error codes that it answers with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.lab.context import Power
from tests.lab.balancers.conftest import Instance, Lab

pytestmark = pytest.mark.lab


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def forward(*groups: str, weight: int = 1) -> list[dict[str, Any]]:
    entries = [{"TargetGroupArn": group, "Weight": weight} for group in groups]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": entries}}]


@pytest.mark.parametrize(
    "power", [Power.PENDING, Power.STOPPING, Power.STOPPED, Power.SHUTTING_DOWN, Power.TERMINATED]
)
def test_only_running_instances_can_be_registered(lab: Lab, power: Power) -> None:
    group = lab.group("web")
    good, bad = lab.instance(), lab.instance()
    lab.directory.power(bad.id, power)
    with pytest.raises(ClientError) as error:
        lab.register(group, good, bad)
    assert code(error) == "InvalidTarget"
    assert bad.id in str(error.value)
    assert lab.health(group) == [], "all of a call, or nothing"


def test_an_unknown_instance_cannot_be_registered(lab: Lab) -> None:
    ghost = Instance("i-0123456789abcdef0", None)  # type: ignore[arg-type]
    with pytest.raises(ClientError) as error:
        lab.register(lab.group("web"), ghost)
    assert code(error) == "InvalidTarget"


def test_an_instance_of_another_vpc_cannot_be_registered(lab: Lab) -> None:
    one = lab.instance()
    facts = lab.directory.get(one.id)
    assert facts is not None
    lab.directory.put(replace(facts, vpc="vpc-elsewhere"))
    with pytest.raises(ClientError) as error:
        lab.register(lab.group("web"), one)
    assert code(error) == "InvalidTarget"


def test_a_group_holds_a_thousand_targets_and_no_more(lab: Lab) -> None:
    group, one = lab.group("web"), lab.instance()
    ports = [{"Id": one.id, "Port": port} for port in range(1, 1002)]
    lab.elbv2.register_targets(TargetGroupArn=group, Targets=ports[:1000])
    with pytest.raises(ClientError) as error:
        lab.elbv2.register_targets(TargetGroupArn=group, Targets=ports[1000:])
    assert code(error) == "TooManyTargets"
    lab.elbv2.register_targets(TargetGroupArn=group, Targets=ports[:1])


def test_a_missing_target_group_is_reported_by_every_call_about_targets(lab: Lab) -> None:
    group = lab.group("web")
    lab.elbv2.delete_target_group(TargetGroupArn=group)
    one = lab.instance()
    for call in (lab.register, lab.deregister, lab.health):
        with pytest.raises(ClientError) as error:
            call(group, one)
        assert code(error) == "TargetGroupNotFound"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deregistration_delay.timeout_seconds", "3601"),
        ("deregistration_delay.timeout_seconds", "-1"),
        ("slow_start.duration_seconds", "29"),
        ("slow_start.duration_seconds", "901"),
        ("no.such.attribute", "1"),
    ],
)
def test_attributes_out_of_range_are_refused(lab: Lab, key: str, value: str) -> None:
    group = lab.group("web")
    with pytest.raises(ClientError) as error:
        lab.attributes(group, **{key: value})
    assert code(error) == "ValidationError"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deregistration_delay.timeout_seconds", "3600"),
        ("deregistration_delay.timeout_seconds", "0"),
        ("slow_start.duration_seconds", "30"),
        ("slow_start.duration_seconds", "0"),
    ],
)
def test_attributes_at_the_end_of_their_range_are_kept(lab: Lab, key: str, value: str) -> None:
    group = lab.group("web")
    lab.attributes(group, **{key: value})
    shown = lab.elbv2.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    assert {entry["Key"]: entry["Value"] for entry in shown}[key] == value


def test_the_default_deregistration_delay_is_300_seconds(lab: Lab) -> None:
    made = lab.elbv2.create_target_group(Name="plain", Protocol="HTTP", Port=80, VpcId=lab.vpc)
    group = made["TargetGroups"][0]
    shown = lab.elbv2.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
    values = {entry["Key"]: entry["Value"] for entry in shown}
    assert values["deregistration_delay.timeout_seconds"] == "300"
    numbers = (
        group["HealthCheckIntervalSeconds"],
        group["HealthCheckTimeoutSeconds"],
        group["HealthyThresholdCount"],
        group["UnhealthyThresholdCount"],
    )
    assert numbers == (30, 5, 5, 2)


@pytest.mark.parametrize(
    "settings",
    [
        {"HealthCheckIntervalSeconds": 301},
        {"HealthCheckTimeoutSeconds": 121, "HealthCheckIntervalSeconds": 200},
        {"HealthyThresholdCount": 11},
        {"UnhealthyThresholdCount": 11},
    ],
)
def test_health_checks_out_of_range_are_refused(lab: Lab, settings: dict[str, int]) -> None:
    with pytest.raises(ClientError) as error:
        lab.group("web", **settings)
    assert code(error) == "ValidationError"
    group = lab.group("good")
    with pytest.raises(ClientError) as error:
        lab.elbv2.modify_target_group(TargetGroupArn=group, **settings)
    assert code(error) == "ValidationError"


@pytest.mark.parametrize("weight", [-1, 1000])
def test_weights_out_of_range_are_refused(lab: Lab, weight: int) -> None:
    group = lab.group("web")
    balancer = lab.balancer("web")["LoadBalancerArn"]
    listener = lab.listener(balancer, group)
    with pytest.raises(ClientError) as error:
        lab.elbv2.modify_listener(ListenerArn=listener, DefaultActions=forward(group, weight=weight))
    assert code(error) == "ValidationError"


def test_an_action_forwards_to_five_groups_at_most(lab: Lab) -> None:
    groups = [lab.group(f"web-{number}") for number in range(6)]
    balancer = lab.balancer("web")["LoadBalancerArn"]
    listener = lab.listener(balancer, groups[0])
    lab.elbv2.modify_listener(ListenerArn=listener, DefaultActions=forward(*groups[:5]))
    with pytest.raises(ClientError) as error:
        lab.elbv2.modify_listener(ListenerArn=listener, DefaultActions=forward(*groups))
    assert code(error) == "TooManyUniqueTargetGroupsPerLoadBalancer"


def test_a_group_belongs_to_one_balancer(lab: Lab) -> None:
    group = lab.group("web")
    lab.listener(lab.balancer("one")["LoadBalancerArn"], group)
    with pytest.raises(ClientError) as error:
        lab.listener(lab.balancer("two")["LoadBalancerArn"], group)
    assert code(error) == "TargetGroupAssociationLimit"


def test_a_balancers_name_is_given_once_and_repeating_a_create_is_harmless(lab: Lab) -> None:
    first = lab.balancer("web")
    assert lab.balancer("web")["LoadBalancerArn"] == first["LoadBalancerArn"]
    with pytest.raises(ClientError) as error:
        lab.balancer("web", zones=3)
    assert code(error) == "DuplicateLoadBalancerName"


def test_an_application_balancer_needs_two_zones(lab: Lab) -> None:
    with pytest.raises(ClientError) as error:
        lab.balancer("web", zones=1)
    assert code(error) == "ValidationError"


def test_a_port_has_one_listener(lab: Lab) -> None:
    group = lab.group("web")
    balancer = lab.balancer("web")["LoadBalancerArn"]
    lab.listener(balancer, group)
    with pytest.raises(ClientError) as error:
        lab.listener(balancer, group)
    assert code(error) == "DuplicateListener"


def test_a_groups_balancers_are_those_whose_listeners_use_it(lab: Lab) -> None:
    blue, green = lab.group("blue"), lab.group("green")
    balancer = lab.balancer("web")["LoadBalancerArn"]
    listener = lab.listener(balancer, blue)

    def users(group: str) -> list[str]:
        described = lab.elbv2.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
        found: list[str] = described["LoadBalancerArns"]
        return found

    assert (users(blue), users(green)) == ([balancer], [])
    lab.elbv2.modify_listener(ListenerArn=listener, DefaultActions=forward(green))
    assert (users(blue), users(green)) == ([], [balancer])


def test_a_single_group_is_described_in_both_forms(lab: Lab) -> None:
    group = lab.group("web")
    listener = lab.listener(lab.balancer("web")["LoadBalancerArn"], group)
    action = lab.elbv2.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"][0]
    assert action["TargetGroupArn"] == group
    assert action["ForwardConfig"]["TargetGroups"] == [{"TargetGroupArn": group, "Weight": 1}]
