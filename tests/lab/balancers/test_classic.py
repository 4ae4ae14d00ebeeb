"""Classic balancers, as the API and their clients see them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.lab.context import Power
from tests.lab.balancers.backends import PORT
from tests.lab.balancers.conftest import Instance, Lab, get, in_flight, wait_until

pytestmark = pytest.mark.lab

IN_SERVICE = ("InService", "N/A", "N/A")
REGISTERING = ("OutOfService", "ELB", "Instance registration is still in progress.")
SICK = (
    "OutOfService",
    "Instance",
    "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.",
)
DRAINING = ("InService", "N/A", "Instance deregistration currently in progress.")
NAME = "old"


class Classic:
    """One classic balancer in two zones, checked every second."""

    def __init__(self, lab: Lab, protocol: str = "HTTP") -> None:
        self.lab, self.api = lab, lab.elb
        listener = {
            "Protocol": protocol,
            "LoadBalancerPort": 80,
            "InstanceProtocol": protocol,
            "InstancePort": PORT,
        }
        made = self.api.create_load_balancer(LoadBalancerName=NAME, Listeners=[listener], Subnets=lab.subnets[:2])
        self.dns_name = made["DNSName"]
        self.check()
        host, port = lab.balancers.endpoints()[NAME]
        assert host == self.dns_name
        self.url = f"http://{host}:{port}"

    def check(self, **changed: Any) -> None:
        check = {
            "Target": f"HTTP:{PORT}/healthz",
            "Interval": 5,
            "Timeout": 2,
            "HealthyThreshold": 2,
            "UnhealthyThreshold": 2,
            **changed,
        }
        self.api.configure_health_check(LoadBalancerName=NAME, HealthCheck=check)

    def drain(self, seconds: int) -> None:
        draining = {"ConnectionDraining": {"Enabled": True, "Timeout": seconds}}
        self.api.modify_load_balancer_attributes(LoadBalancerName=NAME, LoadBalancerAttributes=draining)

    def register(self, *instances: Instance) -> list[str]:
        answer = self.api.register_instances_with_load_balancer(
            LoadBalancerName=NAME, Instances=[{"InstanceId": instance.id} for instance in instances]
        )
        return [entry["InstanceId"] for entry in answer["Instances"]]

    def deregister(self, *instances: Instance) -> list[str]:
        answer = self.api.deregister_instances_from_load_balancer(
            LoadBalancerName=NAME, Instances=[{"InstanceId": instance.id} for instance in instances]
        )
        return [entry["InstanceId"] for entry in answer["Instances"]]

    def health(self) -> dict[str, tuple[str, str, str]]:
        states = self.api.describe_instance_health(LoadBalancerName=NAME)["InstanceStates"]
        return {
            entry["InstanceId"]: (entry["State"], entry["ReasonCode"], entry["Description"]) for entry in states
        }

    def described(self) -> list[str]:
        balancer = self.api.describe_load_balancers(LoadBalancerNames=[NAME])["LoadBalancerDescriptions"][0]
        return [entry["InstanceId"] for entry in balancer["Instances"]]

    def in_service(self, *instances: Instance) -> None:
        self.register(*instances)
        wait_until(lambda: set(self.health().values()) == {IN_SERVICE})


@pytest.fixture
def classic(lab: Lab) -> Classic:
    return Classic(lab)


def test_requests_reach_all_instances_in_service(classic: Classic) -> None:
    one, two = classic.lab.instance(), classic.lab.instance("b")
    classic.in_service(one, two)
    wait_until(lambda: {get(classic.url).served_by for _ in range(6)} == {one.id, two.id})


def test_a_new_instance_needs_the_healthy_threshold(classic: Classic) -> None:
    classic.check(HealthyThreshold=4)
    one = classic.lab.instance()
    assert classic.register(one) == [one.id]
    assert classic.health() == {one.id: REGISTERING}
    begun = time.monotonic()
    wait_until(lambda: classic.health() == {one.id: IN_SERVICE})
    assert time.monotonic() - begun > 2.5, "four passes are three intervals of a second apart"


def test_a_sick_instance_is_out_of_service_and_nothing_fails_open(classic: Classic) -> None:
    one = classic.lab.instance()
    classic.in_service(one)
    one.application.health = 500
    wait_until(lambda: classic.health() == {one.id: SICK})
    wait_until(lambda: get(classic.url).status == 503)


def test_a_draining_instance_reads_in_service_and_then_disappears(classic: Classic) -> None:
    classic.drain(4)
    one = classic.lab.instance()
    classic.in_service(one)
    answer = in_flight(classic.url, one, 3)
    assert classic.deregister(one) == []
    assert classic.health() == {one.id: DRAINING}
    assert classic.described() == []
    assert answer.result().status == 200
    wait_until(lambda: classic.health() == {})


def test_without_draining_a_request_in_flight_is_cut(classic: Classic) -> None:
    one = classic.lab.instance()
    classic.in_service(one)
    answer = in_flight(classic.url, one, 20)
    classic.deregister(one)
    assert classic.health() == {}
    assert answer.result().status == 502


def test_a_stopped_instance_is_out_of_service(classic: Classic) -> None:
    one = classic.lab.instance()
    classic.in_service(one)
    classic.lab.directory.power(one.id, Power.STOPPED)
    expected = ("OutOfService", "Instance", "Instance is in stopped state.")
    wait_until(lambda: classic.health() == {one.id: expected})


def test_a_terminated_instance_leaves_by_itself(classic: Classic) -> None:
    one, two = classic.lab.instance(), classic.lab.instance("b")
    classic.in_service(one, two)
    classic.lab.directory.power(one.id, Power.TERMINATED)
    wait_until(lambda: classic.described() == [two.id])
    assert set(classic.health()) == {two.id}


def test_an_instance_in_another_zone_gets_no_traffic(classic: Classic) -> None:
    one = classic.lab.instance("c")
    classic.register(one)
    state, reason, text = classic.health()[one.id]
    assert (state, reason) == ("OutOfService", "ELB")
    assert "Availability Zone" in text


def test_unknown_instances_and_balancers_are_refused(classic: Classic) -> None:
    ghost = Instance("i-0123456789abcdef0", None)  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="InvalidInstance"):
        classic.register(ghost)
    with pytest.raises(ClientError, match="InvalidInstance"):
        classic.api.describe_instance_health(LoadBalancerName=NAME, Instances=[{"InstanceId": ghost.id}])
    with pytest.raises(ClientError, match="LoadBalancerNotFound"):
        classic.api.describe_instance_health(LoadBalancerName="absent")


def test_deregistering_an_absent_instance_succeeds(classic: Classic) -> None:
    assert classic.deregister(classic.lab.instance()) == []


@pytest.mark.parametrize("changed", [{"Interval": 301}, {"HealthyThreshold": 11}, {"Timeout": 61}])
def test_health_check_numbers_out_of_range_are_refused(classic: Classic, changed: dict[str, int]) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        classic.check(**changed)


def test_the_draining_attribute_is_shown_as_it_was_set(classic: Classic) -> None:
    classic.drain(120)
    shown = classic.api.describe_load_balancer_attributes(LoadBalancerName=NAME)["LoadBalancerAttributes"]
    assert shown["ConnectionDraining"] == {"Enabled": True, "Timeout": 120}


def test_a_tcp_listener_passes_connections(lab: Lab) -> None:
    classic = Classic(lab, "TCP")
    one = lab.instance()
    classic.in_service(one)
    wait_until(lambda: get(classic.url).served_by == one.id)


def test_the_waiters_of_botocore_end(classic: Classic) -> None:
    one = classic.lab.instance()
    classic.register(one)
    asked = {"LoadBalancerName": NAME, "Instances": [{"InstanceId": one.id}]}
    fast = {"Delay": 1, "MaxAttempts": 30}
    classic.api.get_waiter("instance_in_service").wait(**asked, WaiterConfig=fast)
    classic.deregister(one)
    classic.api.get_waiter("instance_deregistered").wait(**asked, WaiterConfig=fast)
