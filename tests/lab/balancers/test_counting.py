"""What the balancers count of real requests: the targets' answers and their own apart."""

from __future__ import annotations

from collections import Counter

import pytest

from deployer.lab.balancers.counting import Side
from deployer.lab.balancers.specs import Kind
from deployer.lab.balancers.traffic import Tally
from tests.lab.balancers.backends import PORT
from tests.lab.balancers.conftest import Lab, answers, get, wait_until

pytestmark = pytest.mark.lab


class Books:
    """Everything that was counted so far, by side."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.sides: dict[Side, Tally] = {}
        self.hosts: dict[Side, tuple[int, int]] = {}
        lab.balancers.counted()

    def total(self) -> int:
        """Takes in what is new; how many requests there were in all."""
        counts = self._lab.balancers.counted()
        for side, tally in counts.answered:
            self.sides.setdefault(side, Tally()).add(tally)
        self.hosts = dict(counts.hosts)
        return sum(tally.requests for tally in self.sides.values())


def test_a_targets_errors_and_the_balancers_own_are_counted_apart(lab: Lab) -> None:
    group = lab.group("counted")
    url = lab.front("counting", group)
    books = Books(lab)
    assert get(url).status == 503, "there is no target"
    instance = lab.instance()
    lab.in_service(group, instance)
    asked = ["/", "/", "/status/500", "/status/503"]
    assert [get(url + path).status for path in asked] == [200, 200, 500, 503]
    lab.applications.kill(instance.application)
    assert get(url).status == 502, "the target refuses the connection"
    wait_until(lambda: books.total() == 6)

    [balancer] = lab.elbv2.describe_load_balancers(Names=["counting"])["LoadBalancers"]
    name = balancer["LoadBalancerArn"].rpartition(":loadbalancer/")[2]
    side = Side(Kind.APPLICATION, name, group.rpartition(":")[2])
    all_of_them = Tally()
    for tally in books.sides.values():
        all_of_them.add(tally)
    assert all_of_them.by_targets == Counter({200: 2, 500: 1, 503: 1})
    assert all_of_them.by_balancer == Counter({503: 1, 502: 1})
    assert books.sides[side].waited.total() == 4
    assert sum(books.hosts[side]) == 1


def test_a_classic_balancer_counts_by_its_name(lab: Lab) -> None:
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstanceProtocol": "HTTP", "InstancePort": PORT}
    lab.elb.create_load_balancer(LoadBalancerName="old", Listeners=[listener], Subnets=lab.subnets[:2])
    books, instance = Books(lab), lab.instance()
    host, port = lab.balancers.endpoints()["old"]
    lab.elb.register_instances_with_load_balancer(LoadBalancerName="old", Instances=[{"InstanceId": instance.id}])
    side = Side(Kind.CLASSIC, "old")
    wait_until(lambda: answers(f"http://{host}:{port}"))
    assert get(f"http://{host}:{port}/").status in (200, 503)
    wait_until(lambda: books.total() > 0)
    assert set(books.sides) == {side}
    assert sum(books.hosts[side]) == 1
    lab.elb.delete_load_balancer(LoadBalancerName="old")
