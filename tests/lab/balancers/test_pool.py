"""A pool of targets over time: what the API says, and what the proxy is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.lab.balancers.health import PASSED, HealthCheck, Probe, ProbeResult
from deployer.lab.balancers.pool import Endpoint, Pool
from deployer.lab.balancers.specs import NEVER, FailOpen, Host, Kind, PoolSpec, Presence
from deployer.lab.balancers.targets import Lags, State, TargetKey
from deployer.lab.context import Power

SPEC = PoolSpec(
    "tg-1",
    Kind.APPLICATION,
    HealthCheck(interval=5, healthy_threshold=2, unhealthy_threshold=2),
    delay=60,
    attached=True,
    zones=frozenset({"a", "b"}),
)
REFUSED = Probe(ProbeResult.REFUSED)


class World:
    """A pool with a clock."""

    def __init__(self, spec: PoolSpec = SPEC) -> None:
        self.pool = Pool(spec, Lags(registration=0.5, deregistration=1.0))
        self.now = 100.0
        self.endpoints: dict[str, Endpoint] = {}

    def add(self, name: str, zone: str = "a", port: int = 80) -> TargetKey:
        number = len(self.endpoints) + 1
        self.endpoints[name] = Endpoint(f"127.0.0.{number}", zone, Power.RUNNING)
        key = TargetKey(name, port)
        self.pool.register(key, self.endpoints[name], self.now)
        return key

    def healthy(self, *names: str) -> list[TargetKey]:
        keys = [self.add(name) for name in names]
        self.wait(1)
        for key in keys:
            self.pool.checked(key, PASSED, self.now)
        return keys

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pool.observe(self.endpoints, self.now)

    def power(self, name: str, power: Power) -> None:
        self.endpoints[name] = replace(self.endpoints[name], power=power)
        self.pool.observe(self.endpoints, self.now)

    def fail(self, key: TargetKey) -> None:
        for _ in range(2):
            self.pool.checked(key, REFUSED, self.now)

    def presences(self) -> dict[str, Presence]:
        (cluster,) = self.pool.clusters(self.now)
        return {host.address: host.presence for host in cluster.hosts}

    def serving(self) -> int:
        return sum(presence is Presence.SERVING for presence in self.presences().values())

    def state(self, key: TargetKey) -> State:
        return self.pool.health(key, self.now).state


def test_a_deregistered_host_serves_then_drains_then_leaves() -> None:
    world = World()
    one, _two = world.healthy("i-1", "i-2")
    world.pool.deregister(one, world.now)
    assert world.presences()["127.0.0.1"] is Presence.SERVING
    world.wait(1)
    assert world.presences()["127.0.0.1"] is Presence.DRAINING
    world.pool.drained([], world.now)
    assert world.presences()["127.0.0.1"] is Presence.DRAINING, "something is in flight"
    world.pool.drained([("127.0.0.1", 80)], world.now)
    assert "127.0.0.1" not in world.presences()
    assert world.state(one) is State.DRAINING
    world.wait(59)
    assert world.pool.listed(world.now) == [TargetKey("i-2", 80)]


def test_a_busy_host_is_cut_when_the_delay_runs_out() -> None:
    world = World()
    one, _two = world.healthy("i-1", "i-2")
    world.pool.deregister(one, world.now)
    world.now += 59.9
    assert world.pool.cut_sockets(world.now) == []
    world.now += 0.1
    assert world.pool.cut_sockets(world.now) == [("127.0.0.1", 80)]
    assert "127.0.0.1" not in world.presences()


def test_a_target_without_traffic_is_deregistered_at_once() -> None:
    world = World(replace(SPEC, attached=False))
    one = world.add("i-1")
    world.pool.deregister(one, world.now)
    assert world.pool.listed(world.now) == []


def test_no_health_check_runs_on_what_is_new_draining_or_down() -> None:
    world = World()
    assert world.pool.due_checks(world.now, 1.0) == []
    world.healthy("i-1")
    one, two, three = world.add("i-2"), world.add("i-3"), world.add("i-4", zone="c")
    assert three not in {check.key for check in world.pool.due_checks(world.now, 1.0)}
    world.wait(1)
    assert {one, two} <= {check.key for check in world.pool.due_checks(world.now, 1.0)}
    assert world.pool.due_checks(world.now + 3.9, 1.0) == []
    world.pool.deregister(one, world.now)
    world.power("i-3", Power.STOPPED)
    assert {check.key for check in world.pool.due_checks(world.now + 5, 1.0)} == {TargetKey("i-1", 80)}


@pytest.mark.parametrize(
    ("rule", "healthy", "served"),
    [
        (FailOpen(1), 0, 4),
        (FailOpen(1), 1, 1),
        (FailOpen(2), 1, 4),
        (FailOpen(1, percentage=50), 1, 4),
        (FailOpen(1, percentage=50), 2, 2),
        (NEVER, 0, 0),
    ],
)
def test_failing_open_follows_the_minimum(rule: FailOpen, healthy: int, served: int) -> None:
    world = World(replace(SPEC, fail_open=rule))
    keys = world.healthy("i-1", "i-2", "i-3", "i-4")
    for key in keys[healthy:]:
        world.fail(key)
    assert world.serving() == served


def test_failing_open_sends_nothing_to_what_drains() -> None:
    world = World()
    one, two = world.healthy("i-1", "i-2")
    world.pool.deregister(one, world.now)
    world.wait(1)
    world.fail(two)
    assert world.presences() == {"127.0.0.1": Presence.DRAINING, "127.0.0.2": Presence.SERVING}


def test_a_stopped_instance_still_gets_requests_for_the_lag() -> None:
    world = World()
    one, _two = world.healthy("i-1", "i-2")
    world.power("i-1", Power.STOPPING)
    assert world.state(one) is State.UNUSED
    assert world.serving() == 2
    world.wait(1)
    assert world.serving() == 1


def test_a_target_that_the_directory_forgot_is_forgotten() -> None:
    world = World()
    one, _two = world.healthy("i-1", "i-2")
    del world.endpoints["i-1"]
    world.wait(0.1)
    assert world.pool.target(one) is None


def test_a_classic_balancer_has_a_cluster_for_each_instance_port() -> None:
    spec = replace(SPEC, name="clb-old", kind=Kind.CLASSIC, ports=frozenset({8080, 9090}), fail_open=NEVER)
    world = World(spec)
    key = world.add("i-1", port=0)
    world.wait(1)
    world.pool.checked(key, PASSED, world.now)
    found = {cluster.name: cluster.hosts for cluster in world.pool.clusters(world.now)}
    assert found == {
        "clb-old-8080": (Host("127.0.0.1", 8080),),
        "clb-old-9090": (Host("127.0.0.1", 9090),),
    }
