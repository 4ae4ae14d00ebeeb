"""Rules, weights and stickiness of an ALB's listeners."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.lab.balancers.conftest import Instance, Lab, get, wait_until

pytestmark = pytest.mark.lab


class Sides:
    """A balancer with a blue and a green group of one target each."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.blue, self.green = lab.group("blue"), lab.group("green")
        self.one, self.two = lab.instance(), lab.instance("b")
        self.url = lab.front("web", self.blue)
        self.listener = lab.elbv2.describe_listeners(
            LoadBalancerArn=lab.elbv2.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        )["Listeners"][0]["ListenerArn"]
        self.weigh(1, 1)
        lab.in_service(self.blue, self.one)
        lab.in_service(self.green, self.two)

    def action(self, blue: int, green: int, sticky: int | None = None) -> dict[str, Any]:
        groups = [
            {"TargetGroupArn": self.blue, "Weight": blue},
            {"TargetGroupArn": self.green, "Weight": green},
        ]
        config: dict[str, Any] = {"TargetGroups": groups}
        if sticky is not None:
            config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": sticky}
        return {"Type": "forward", "ForwardConfig": config}

    def weigh(self, blue: int, green: int, sticky: int | None = None) -> None:
        actions = [self.action(blue, green, sticky)]
        self.lab.elbv2.modify_listener(ListenerArn=self.listener, DefaultActions=actions)

    def served(self, requests: int, path: str = "/", **headers: str) -> Counter[str]:
        return Counter(get(self.url + path, headers=headers).served_by for _ in range(requests))

    def only(self, instance: Instance) -> bool:
        return set(self.served(10)) == {instance.id}


@pytest.fixture
def sides(lab: Lab) -> Sides:
    return Sides(lab)


def test_weights_share_the_requests_out(sides: Sides) -> None:
    sides.weigh(3, 1)
    wait_until(lambda: sides.served(20).keys() == {sides.one.id, sides.two.id})
    served = sides.served(400)
    # 300 expected, standard deviation under 9.
    assert 250 < served[sides.one.id] < 350


def test_a_weight_of_zero_takes_all_traffic_off_a_group(sides: Sides) -> None:
    sides.weigh(0, 1)
    wait_until(lambda: sides.only(sides.two))
    sides.weigh(1, 0)
    wait_until(lambda: sides.only(sides.one))


def test_a_changed_weight_is_described_as_it_was_written(sides: Sides) -> None:
    sides.weigh(999, 0)
    action = sides.lab.elbv2.describe_listeners(ListenerArns=[sides.listener])["Listeners"][0]["DefaultActions"][0]
    weights = {group["TargetGroupArn"]: group["Weight"] for group in action["ForwardConfig"]["TargetGroups"]}
    assert weights == {sides.blue: 999, sides.green: 0}


def test_requests_for_an_empty_group_are_not_given_to_another(sides: Sides) -> None:
    sides.lab.deregister(sides.green, sides.two)
    sides.weigh(0, 1)
    wait_until(lambda: {get(sides.url).status for _ in range(6)} == {503}, 15)


def test_group_stickiness_pins_a_client_to_the_old_side(sides: Sides) -> None:
    sides.weigh(1, 0, sticky=600)
    answer = wait_until(lambda: (found := get(sides.url)).cookies and found)
    cookie = answer.cookies[0].split(";")[0]
    sides.weigh(0, 1, sticky=600)
    wait_until(lambda: sides.only(sides.two))
    assert set(sides.served(10, Cookie=cookie)) == {sides.one.id}


def test_a_rule_sends_a_path_to_its_own_group(sides: Sides) -> None:
    sides.weigh(1, 0)
    wait_until(lambda: sides.only(sides.one))
    rule = sides.lab.elbv2.create_rule(
        ListenerArn=sides.listener,
        Priority=10,
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": sides.green}],
    )["Rules"][0]
    wait_until(lambda: set(sides.served(6, "/api/items")) == {sides.two.id})
    assert sides.only(sides.one)
    sides.lab.elbv2.delete_rule(RuleArn=rule["RuleArn"])
    wait_until(lambda: set(sides.served(6, "/api/items")) == {sides.one.id})


def test_a_rule_looks_at_the_host_and_the_lower_priority_number_wins(sides: Sides) -> None:
    for priority, group in ((20, sides.blue), (10, sides.green)):
        sides.lab.elbv2.create_rule(
            ListenerArn=sides.listener,
            Priority=priority,
            Conditions=[{"Field": "host-header", "Values": ["*.example.com"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
    sides.weigh(1, 0)
    wait_until(lambda: set(sides.served(6, Host="shop.example.com")) == {sides.two.id})
    wait_until(lambda: set(sides.served(6, Host="shop.example.org")) == {sides.one.id})


def test_a_fixed_response_is_answered_by_the_balancer(sides: Sides) -> None:
    fixed = {"StatusCode": "418", "ContentType": "text/plain", "MessageBody": "closed"}
    actions = [{"Type": "fixed-response", "FixedResponseConfig": fixed}]
    sides.lab.elbv2.modify_listener(ListenerArn=sides.listener, DefaultActions=actions)
    wait_until(lambda: get(sides.url).status == 418)
    assert get(sides.url).body == "closed"


def test_target_stickiness_keeps_a_client_at_its_target_until_that_drains(lab: Lab) -> None:
    group = lab.group("web")
    lab.attributes(group, **{"stickiness.enabled": "true", "stickiness.type": "lb_cookie"})
    url = lab.front("web", group)
    one, two = lab.instance(), lab.instance("b")
    lab.in_service(group, one, two)
    first = wait_until(lambda: (found := get(url)).cookies and found)
    cookie = first.cookies[0].split(";")[0]
    assert {get(url, headers={"Cookie": cookie}).served_by for _ in range(8)} == {first.served_by}
    bound, other = (one, two) if first.served_by == one.id else (two, one)
    lab.deregister(group, bound)
    wait_until(lambda: {get(url, headers={"Cookie": cookie}).served_by for _ in range(4)} == {other.id}, 10)
