"""What sends a fleet traffic and cannot be driven is named; what is found nowhere is believed only when written."""

from __future__ import annotations

import pytest

from deployer.aws.discovery import find_fleet
from deployer.aws.found import FoundFleet
from deployer.aws.query import FleetQuery
from deployer.model.errors import PreflightRefused
from tests.aws.wire import Reply, Wire, ec2, elb, elb_error

INTERFACE = (
    "<item><privateIpAddressesSet><item><privateIpAddress>10.0.0.7</privateIpAddress></item>"
    "<item><privateIpAddress>10.0.0.8</privateIpAddress></item></privateIpAddressesSet>"
    "<ipv6AddressesSet><item><ipv6Address>fd00::7</ipv6Address></item></ipv6AddressesSet></item>"
)


@pytest.fixture
def account(wire: Wire) -> Wire:
    """One instance, with a second interface, and nothing that sends it traffic."""
    instance = (
        "<instanceId>i-1</instanceId><instanceState><name>running</name></instanceState><vpcId>vpc-1</vpcId>"
        f"<privateIpAddress>10.0.0.4</privateIpAddress><networkInterfaceSet>{INTERFACE}</networkInterfaceSet>"
    )
    items = f"<item><instancesSet><item>{instance}</item></instancesSet></item>"
    wire.script["DescribeInstances"] = [ec2("DescribeInstances", f"<reservationSet>{items}</reservationSet>")]
    wire.script["DescribeTargetGroups"] = [elb("DescribeTargetGroups")]
    wire.script["DescribeLoadBalancers"] = [elb("DescribeLoadBalancers")]
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth")]
    return wire


def group(kind: str = "instance", vpc: str = "vpc-1", protocol: str = "HTTP", balancer: str = "") -> Reply:
    arns = f"<LoadBalancerArns><member>{balancer}</member></LoadBalancerArns>" if balancer else ""
    inside = (
        "<TargetGroupArn>arn:x:targetgroup/shop/1</TargetGroupArn><TargetGroupName>shop</TargetGroupName>"
        f"<TargetType>{kind}</TargetType><VpcId>{vpc}</VpcId><Protocol>{protocol}</Protocol>{arns}"
    )
    return elb("DescribeTargetGroups", f"<TargetGroups><member>{inside}</member></TargetGroups>")


def holds(ident: str, zone: str = "eu-west-1a") -> Reply:
    target = f"<Target><Id>{ident}</Id><Port>80</Port><AvailabilityZone>{zone}</AvailabilityZone></Target>"
    health = "<TargetHealth><State>healthy</State></TargetHealth>"
    member = f"<member>{target}{health}</member>"
    return elb("DescribeTargetHealth", f"<TargetHealthDescriptions>{member}</TargetHealthDescriptions>")


def found(wire: Wire, balancers: tuple[str, ...] | None = None) -> FoundFleet:
    return find_fleet(wire.session(), FleetQuery("web", tags={"A": "b"}, balancers=balancers))


def test_a_fleet_that_nothing_sends_traffic_is_refused_with_the_line_that_means_it(account: Wire) -> None:
    fleet = found(account)

    assert fleet.balancers == ()
    assert "`balancers = []`" in fleet.undriven[0]
    assert fleet.undriven == fleet.problems
    with pytest.raises(PreflightRefused, match=r"\[fleet.web\]"):
        fleet.refuse_undriven()
    assert found(account, ()).problems == ()


@pytest.mark.parametrize("address", ["10.0.0.4", "10.0.0.7", "10.0.0.8", "fd00::7"])
@pytest.mark.parametrize("balancers", [None, ()])
def test_a_group_of_addresses_is_found_by_every_address_of_the_fleet(
    account: Wire, address: str, balancers: tuple[str, ...] | None
) -> None:
    account.script["DescribeTargetGroups"] = [group("ip")]
    account.script["DescribeTargetHealth"] = [holds(address)]

    assert [
        f"shop sends traffic to {address} (i-1) by address" in text for text in found(account, balancers).undriven
    ] == [True]


def test_the_same_address_in_another_vpc_is_another_host_unless_it_lies_outside(account: Wire) -> None:
    account.script["DescribeTargetGroups"] = [group("ip", vpc="vpc-2")]
    account.script["DescribeTargetHealth"] = [holds("10.0.0.4"), holds("10.0.0.4", zone="all")]

    assert found(account, ()).undriven == ()
    assert "10.0.0.4 (i-1)" in found(account, ()).undriven[0]


def test_a_balancer_that_the_settings_leave_out_is_named_where_it_sends_traffic(account: Wire) -> None:
    account.script["DescribeTargetHealth"] = [holds("i-1")]
    account.script["DescribeTargetGroups"] = [group(balancer="arn:lb")]

    assert "i-1 is registered with the target group shop too" in found(account, ()).undriven[0]

    account.script["DescribeTargetGroups"] = [group()]
    assert found(account, ()).undriven == ()  # attached to nothing, it sends nothing


def test_a_classic_balancer_that_the_settings_leave_out_is_named(account: Wire) -> None:
    members = "<Instances><member><InstanceId>i-1</InstanceId></member></Instances>"
    raw = f"<LoadBalancerName>old</LoadBalancerName>{members}"
    described = f"<LoadBalancerDescriptions><member>{raw}</member></LoadBalancerDescriptions>"
    account.script["DescribeLoadBalancers"] = [elb("DescribeLoadBalancers", described)]

    assert "i-1 is registered with the classic load balancer old too" in found(account, ()).undriven[0]


def test_a_group_of_a_gateway_balancer_is_refused_by_name(account: Wire) -> None:
    account.script["DescribeTargetGroups"] = [group(protocol="GENEVE")]
    account.script["DescribeTargetHealth"] = [holds("i-1")]

    assert "shop of a Gateway Load Balancer holds i-1" in found(account).undriven[0]
    with pytest.raises(PreflightRefused, match="Gateway Load Balancer, which sends packets"):
        found(account, ("arn:x:targetgroup/shop/1",))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("ip", "another address"), ("lambda", "a function is called"), ("alb", "name that one's own target groups")],
)
def test_a_named_group_of_other_targets_says_why_it_cannot_be_driven(account: Wire, kind: str, said: str) -> None:
    account.script["DescribeTargetGroups"] = [group(kind)]

    with pytest.raises(PreflightRefused, match=said):
        found(account, ("arn:x:targetgroup/shop/1",))


def test_senders_that_cannot_be_asked_refuse_the_fleet(account: Wire) -> None:
    account.script["DescribeLoadBalancers"] = [elb_error("AccessDenied")]

    with pytest.raises(PreflightRefused, match="may not call DescribeLoadBalancers"):
        found(account)


def test_a_group_of_another_fleet_on_the_same_hosts_is_none_of_this_ones(account: Wire) -> None:
    account.script["DescribeTargetGroups"] = [group(balancer="arn:x:loadbalancer/app/shop/1")]
    account.script["DescribeTargetHealth"] = [holds("i-1")]
    alone = FleetQuery("web", tags={"A": "b"}, balancers=())
    beside = FleetQuery("web", tags={"A": "b"}, balancers=(), neighbours=("shop",))

    assert "is registered with the target group shop too" in find_fleet(account.session(), alone).undriven[0]
    assert find_fleet(account.session(), beside).undriven == ()
