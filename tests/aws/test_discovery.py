"""What makes a fleet unfit for a rollout, said in one sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.aws.balancers import FoundBalancer
from deployer.aws.discovery import apart, find_fleet, joined, outside, registered_nowhere, two_services
from deployer.aws.found import FoundFleet
from deployer.aws.query import FleetQuery
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Balancer, BalancerKind, Instance, InstanceState
from tests.aws.wire import Wire, ec2, elb, elb_error


def an_instance(ident: str, zone: str = "eu-west-1a", **tags: str) -> Instance:
    return Instance(ident, InstanceState.RUNNING, zone, "ami-1", "m5.large", "10.0.0.1", tags)


def a_balancer(ident: str, *zones: str) -> FoundBalancer:
    return FoundBalancer(Balancer(ident, ident, BalancerKind.ALB, 80, zones=frozenset(zones)))


def test_a_tag_that_matches_two_services_is_told_with_the_counts() -> None:
    fleet = [an_instance("i-1", Role="web"), an_instance("i-2", Role="web"), an_instance("i-3", Role="worker")]

    said = list(two_services({"Service": "shop"}, fleet))

    assert len(said) == 1
    assert "Role=web (2), Role=worker (1)" in said[0]
    assert "find.tags" in said[0]


@pytest.mark.parametrize(
    "fleet",
    [
        [an_instance("i-1", Name="a"), an_instance("i-2", Name="b")],
        [an_instance("i-1", Role="web"), an_instance("i-2")],
        [an_instance("i-1", Service="a"), an_instance("i-2", Service="b")],
    ],
    ids=["names differ", "one without the tag", "the tag was asked for"],
)
def test_other_differences_of_tags_are_none(fleet: list[Instance]) -> None:
    assert list(two_services({"Service": "*"}, fleet)) == []


def test_balancers_without_anything_in_common_are_told_apart() -> None:
    found = [a_balancer("shop"), a_balancer("blog"), a_balancer("shop-old")]
    members = {
        "shop": frozenset({"i-1", "i-2"}),
        "shop-old": frozenset({"i-2"}),
        "blog": frozenset({"i-3"}),
    }

    said = list(apart([an_instance(f"i-{n}") for n in (1, 2, 3)], found, joined(members, [])))

    assert len(said) == 1
    assert "blog / shop and shop-old" in said[0]


def test_two_groups_of_one_rule_are_two_sides_of_one_service() -> None:
    members = {"blue": frozenset({"i-1"}), "green": frozenset({"i-2"})}

    assert len(joined(members, [])) == 2
    assert joined(members, [frozenset({"blue", "green"})]) == [frozenset({"blue", "green"})]


def test_an_instance_in_a_zone_that_is_not_enabled_is_told_at_once() -> None:
    fleet = [an_instance("i-1", "eu-west-1a"), an_instance("i-2", "eu-west-1c")]

    said = list(outside(fleet, [a_balancer("shop", "eu-west-1a", "eu-west-1b")]))

    assert len(said) == 1
    assert "eu-west-1c" in said[0]
    assert "i-2" in said[0]
    assert "i-1" not in said[0]


def test_an_instance_that_is_registered_nowhere_is_named() -> None:
    fleet = [an_instance("i-1"), an_instance("i-2"), an_instance("i-3")]
    found = [a_balancer("one"), a_balancer("two")]
    members = {"one": frozenset({"i-1", "i-3"}), "two": frozenset({"i-1"})}

    said = list(registered_nowhere(fleet, found, members))

    assert [line.split()[0] for line in said] == ["i-2", "i-3"]
    assert "registered nowhere" in said[0]
    assert "not with two" in said[1]


def test_an_instance_belongs_to_one_side_of_a_split_and_to_every_other_balancer() -> None:
    fleet = [an_instance("i-1"), an_instance("i-2")]
    found = [a_balancer("blue"), a_balancer("green"), a_balancer("inside")]
    sides = [frozenset({"blue", "green"})]

    def said(blue: set[str], green: set[str], inside: set[str]) -> list[str]:
        members = {"blue": frozenset(blue), "green": frozenset(green), "inside": frozenset(inside)}
        return list(registered_nowhere(fleet, found, members, sides))

    assert said({"i-1", "i-2"}, set(), {"i-1", "i-2"}) == []
    assert said({"i-1"}, {"i-2"}, {"i-1", "i-2"}) == []
    assert "i-2 is registered not with inside" in said({"i-1"}, {"i-2"}, {"i-1"})[0]
    assert (
        "i-2 is registered with blue and green, between which" in said({"i-1", "i-2"}, {"i-2"}, {"i-1", "i-2"})[0]
    )


def test_workers_and_a_fleet_that_is_registered_nowhere_at_all_are_left_to_others() -> None:
    fleet = [an_instance("i-1"), an_instance("i-2")]

    assert list(registered_nowhere(fleet, [], {})) == []
    assert list(registered_nowhere(fleet, [a_balancer("one")], {"one": frozenset()})) == []


def test_what_an_earlier_rollout_left_says_so() -> None:
    left = an_instance("i-2", **{"deployer:rollout": "r-41"})
    members = {"one": frozenset({"i-1"})}

    said = list(registered_nowhere([an_instance("i-1"), left], [a_balancer("one")], members))

    assert "left by rollout r-41" in said[0]


def test_a_stopped_instance_is_no_member_to_count_on() -> None:
    stopped = replace(an_instance("i-1"), state=InstanceState.STOPPED)

    assert "is stopped" in next(registered_nowhere([stopped], [], {}))


def test_problems_refuse_a_rollout_together() -> None:
    found = FoundFleet(FleetQuery("web"), (), (), problems=("one thing", "another"))

    with pytest.raises(PreflightRefused, match="one thing; another"):
        found.refuse_problems()
    FoundFleet(FleetQuery("web"), (), ()).refuse_problems()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (FleetQuery("web", tags={"A": "1", "B": "2"}), [["tag:A", "tag:B"]]),
        (FleetQuery("web", instances=("i-1",)), [["instance-id"], ["tag:deployer:fleet"]]),
        (FleetQuery("web", asg="g"), [["tag:aws:autoscaling:groupName"], ["tag:deployer:fleet"]]),
    ],
)
def test_a_fleet_is_found_with_what_was_launched_for_it(query: FleetQuery, names: list[list[str]]) -> None:
    assert [[item["Name"] for item in filters] for filters in query.filters()] == names


def test_many_ids_are_asked_for_in_pieces_that_a_filter_takes() -> None:
    query = FleetQuery("web", instances=tuple(f"i-{n}" for n in range(450)))

    sizes = [len(filters[0]["Values"]) for filters in query.filters()]

    assert sizes == [200, 200, 50, 1]


def test_a_wildcard_in_a_tags_value_is_meant_as_it_stands() -> None:
    assert FleetQuery("web", tags={"A": "a*b?c\\"}).filters()[0][0]["Values"] == ["a\\*b\\?c\\\\"]


def nothing_else(wire: Wire) -> None:
    """No other target group and no classic load balancer in the account."""
    wire.script.setdefault("DescribeTargetGroups", [elb("DescribeTargetGroups")])
    wire.script["DescribeLoadBalancers"] = [elb("DescribeLoadBalancers")]


def test_an_empty_fleet_says_what_was_looked_for_and_where(wire: Wire) -> None:
    wire.script["DescribeInstances"] = [ec2("DescribeInstances")]

    with pytest.raises(PreflightRefused, match=r"web is empty: no instance in eu-west-1 matches tags Service=shop"):
        find_fleet(wire.session(), FleetQuery("web", tags={"Service": "shop"}))


def test_all_pages_are_read(wire: Wire) -> None:
    def page(ident: str, more: str) -> str:
        instance = f"<instanceId>{ident}</instanceId><instanceState><name>running</name></instanceState>"
        items = f"<item><instancesSet><item>{instance}</item></instancesSet></item>"
        return f"<reservationSet>{items}</reservationSet>{more}"

    wire.script["DescribeInstances"] = [
        ec2("DescribeInstances", page("i-1", "<nextToken>more</nextToken>")),
        ec2("DescribeInstances", page("i-2", "")),
    ]

    nothing_else(wire)
    found = find_fleet(wire.session(), FleetQuery("web", tags={"A": "b"}, balancers=()))

    assert [instance.id for instance in found.instances] == ["i-1", "i-2"]
    assert wire.asked[1]["NextToken"] == "more"


def one_instance(wire: Wire) -> None:
    instance = "<instanceId>i-1</instanceId><instanceState><name>running</name></instanceState>"
    items = f"<item><instancesSet><item>{instance}</item></instancesSet></item>"
    wire.script["DescribeInstances"] = [ec2("DescribeInstances", f"<reservationSet>{items}</reservationSet>")]


def test_a_balancer_that_does_not_exist_is_told_with_those_that_do(wire: Wire) -> None:
    one_instance(wire)
    groups = "<TargetGroups><member><TargetGroupName>shop-web</TargetGroupName></member></TargetGroups>"
    wire.script["DescribeLoadBalancers"] = [
        elb_error("LoadBalancerNotFound"),
        elb_error("LoadBalancerNotFound"),
        elb("DescribeLoadBalancers"),
    ]
    wire.script["DescribeTargetGroups"] = [elb_error("TargetGroupNotFound"), elb("DescribeTargetGroups", groups)]

    with pytest.raises(PreflightRefused, match=r"'shop-wbe' does not exist in eu-west-1: .* there are shop-web"):
        find_fleet(wire.session(), FleetQuery("web", tags={"A": "b"}, balancers=("shop-wbe",)))


def test_a_group_without_a_load_balancer_is_a_problem(wire: Wire) -> None:
    one_instance(wire)
    group = (
        "<member><TargetGroupArn>arn:x:targetgroup/web/1</TargetGroupArn><TargetGroupName>web</TargetGroupName>"
        "<Protocol>HTTP</Protocol><Port>80</Port><TargetType>instance</TargetType></member>"
    )
    wire.script["DescribeTargetGroups"] = [elb("DescribeTargetGroups", f"<TargetGroups>{group}</TargetGroups>")]
    wire.script["DescribeTargetGroupAttributes"] = [
        elb("DescribeTargetGroupAttributes", "<Attributes></Attributes>")
    ]
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth")]

    nothing_else(wire)
    query = FleetQuery("web", tags={"A": "b"}, balancers=("arn:x:targetgroup/web/1",))
    found = find_fleet(wire.session(), query)

    assert "attached to no load balancer" in found.problems[0]


def test_targets_that_are_no_instances_are_refused(wire: Wire) -> None:
    one_instance(wire)
    group = "<member><TargetGroupName>web</TargetGroupName><TargetType>ip</TargetType></member>"
    wire.script["DescribeTargetGroups"] = [elb("DescribeTargetGroups", f"<TargetGroups>{group}</TargetGroups>")]

    with pytest.raises(PreflightRefused, match="targets of type ip; expected type instance"):
        find_fleet(wire.session(), FleetQuery("web", tags={"A": "b"}, balancers=("arn:x:targetgroup/web/1",)))


def test_what_was_kept_for_a_look_is_no_member_and_is_not_missed_where_instances_are_named(wire: Wire) -> None:
    def item(ident: str, tags: str = "") -> str:
        state = "<instanceState><name>running</name></instanceState>"
        inside = f"<item><instanceId>{ident}</instanceId>{state}<tagSet>{tags}</tagSet></item>"
        return f"<item><instancesSet>{inside}</instancesSet></item>"

    kept = "<item><key>deployer:kept</key><value>r-1</value></item>"
    found = f"<reservationSet>{item('i-1')}{item('i-2', kept)}</reservationSet>"
    wire.script["DescribeInstances"] = [ec2("DescribeInstances", found)]
    wire.script["DescribeTargetGroups"] = [elb("DescribeTargetGroups", "<TargetGroups/>")]
    wire.script["DescribeLoadBalancers"] = [elb("DescribeLoadBalancers", "<LoadBalancerDescriptions/>")]

    fleet = find_fleet(wire.session(), FleetQuery("web", instances=("i-1", "i-2"), balancers=()))

    assert [one.id for one in fleet.instances] == ["i-1"]
    assert fleet.problems == ()
