"""Network load balancers: connections, not requests."""

from __future__ import annotations

import socket
import time
import urllib.parse

import pytest

from tests.lab.balancers.conftest import Lab, get, wait_until
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

CUT_AT_THE_END = "deregistration_delay.connection_termination.enabled"
CUT_THE_SICK = "target_health_state.unhealthy.connection_termination.enabled"


class Connection:
    """One client that keeps its connection and asks on it again and again."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=PATIENCE)

    def ask(self) -> str:
        """Who answers; empty when the connection has been closed."""
        try:
            self._socket.sendall(b"GET / HTTP/1.1\r\nHost: nlb\r\n\r\n")
            answer = self._socket.recv(4096).decode()
        except ConnectionError:
            return ""
        return answer.rsplit("\r\n", 1)[-1]


def network_front(lab: Lab, group: str) -> str:
    return lab.front("net", group, "network", "TCP")


def test_connections_are_passed_to_targets_that_accept_one(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP")
    url = network_front(lab, group)
    one, two = lab.instance(), lab.instance("b")
    lab.in_service(group, one, two)
    wait_until(lambda: {get(url).served_by for _ in range(6)} == {one.id, two.id})


def test_a_connection_stays_with_a_drained_target_until_someone_closes_it(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP")
    url = network_front(lab, group)
    one = lab.instance()
    lab.in_service(group, one)
    client = Connection(url)
    assert client.ask() == one.id
    two = lab.instance("b")
    lab.in_service(group, two, one)
    lab.deregister(group, one)
    assert "draining" in lab.states(group)
    wait_until(lambda: lab.states(group) == ["healthy"])
    time.sleep(0.5)
    assert client.ask() == one.id, "the delay is over, and the connection still lives"
    assert {get(url).served_by for _ in range(6)} == {two.id}


def test_connections_are_closed_at_the_end_of_the_delay_where_that_is_asked_for(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP")
    lab.attributes(group, **{CUT_AT_THE_END: "true"})
    url = network_front(lab, group)
    one = lab.instance()
    lab.in_service(group, one)
    client = Connection(url)
    assert client.ask() == one.id
    lab.deregister(group, one)
    time.sleep(2)
    assert client.ask() == one.id
    wait_until(lambda: client.ask() == "", 10)


def test_a_network_target_needs_the_healthy_threshold_from_the_start(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP", HealthyThresholdCount=4)
    network_front(lab, group)
    lab.register(group, lab.instance())
    begun = time.monotonic()
    wait_until(lambda: lab.states(group) == ["healthy"])
    assert time.monotonic() - begun > 2.5, "four passes are three intervals of a second apart"


def test_an_http_health_check_can_guard_a_network_group(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP", HealthCheckProtocol="HTTP", HealthCheckPath="/healthz")
    network_front(lab, group)
    one = lab.instance()
    lab.in_service(group, one)
    one.application.health = 500
    wait_until(lambda: lab.states(group) == ["unhealthy"])


def test_an_unhealthy_targets_connections_are_closed(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP", HealthCheckProtocol="HTTP", HealthCheckPath="/healthz")
    url = network_front(lab, group)
    one = lab.instance()
    lab.in_service(group, one)
    client = Connection(url)
    assert client.ask() == one.id
    one.application.health = 500
    wait_until(lambda: client.ask() == "")


def test_an_unhealthy_target_drains_first_where_its_connections_are_spared(lab: Lab) -> None:
    group = lab.group("net", Protocol="TCP", HealthCheckProtocol="HTTP", HealthCheckPath="/healthz")
    interval = "target_health_state.unhealthy.draining_interval_seconds"
    lab.attributes(group, **{CUT_THE_SICK: "false", interval: "3"})
    url = network_front(lab, group)
    one = lab.instance()
    lab.in_service(group, one)
    client = Connection(url)
    one.application.health = 500
    wait_until(lambda: lab.states(group) == ["unhealthy.draining"])
    assert client.ask() == one.id
    wait_until(lambda: lab.states(group) == ["unhealthy"])
