"""The worked examples of the CodeDeploy user guide, and what follows from them."""

from __future__ import annotations

import pytest

from deployer.lab.codedeploy.catalogue import BUILT_IN
from deployer.lab.codedeploy.health import (
    HostHealth,
    Measure,
    Minimum,
    Standing,
    leaves_room,
    next_hosts,
    succeeded,
)
from deployer.lab.codedeploy.order import Claim, LastDeployment, claim, in_place, parts
from deployer.remote.appspec.spec import LifecycleEvent

ONE, HALF, ALL = (BUILT_IN[f"CodeDeployDefault.{name}"] for name in ("OneAtATime", "HalfAtATime", "AllAtOnce"))


def fleet(size: int, **standings: Standing) -> list[HostHealth]:
    """Hosts h0, h1, …: pending and healthy before, except for the standings given."""
    return [
        HostHealth(f"h{n}", "a", before=True, standing=standings.get(f"h{n}", Standing.PENDING))
        for n in range(size)
    ]


def begun(hosts: list[HostHealth], least: int) -> list[str]:
    return next_hosts([host.id for host in hosts], hosts, least)


@pytest.mark.parametrize(
    ("minimum", "hosts", "least", "at_once"),
    [
        (Minimum(Measure.FLEET_PERCENT, 40), 9, 4, 5),
        (Minimum(Measure.FLEET_PERCENT, 75), 8, 6, 2),
        (Minimum(Measure.HOST_COUNT, 2), 9, 2, 7),
        (HALF, 9, 5, 4),
        (HALF, 10, 5, 5),
        (ONE, 9, 8, 1),
        (ONE, 1, 0, 1),
        (ALL, 9, 0, 9),
    ],
)
def test_the_minimum_and_how_many_begin_at_once(minimum: Minimum, hosts: int, least: int, at_once: int) -> None:
    assert minimum.of(hosts) == least
    assert leaves_room(least, hosts)
    assert len(begun(fleet(hosts), least)) == at_once


def test_a_minimum_of_the_whole_fleet_leaves_no_room() -> None:
    assert Minimum(Measure.FLEET_PERCENT, 95).of(10) == 10
    assert not leaves_room(10, 10)
    assert not leaves_room(Minimum(Measure.HOST_COUNT, 4).of(3), 3)


def test_the_next_begins_as_soon_as_one_has_succeeded_and_no_earlier() -> None:
    running = {"h0": Standing.RUNNING, "h1": Standing.RUNNING}

    assert begun(fleet(8, **running), 6) == []
    assert begun(fleet(8, h0=Standing.SUCCEEDED, h1=Standing.RUNNING), 6) == ["h2"]


def test_each_failure_takes_a_place_until_none_is_left() -> None:
    assert begun(fleet(8, h0=Standing.FAILED, h1=Standing.SUCCEEDED), 6) == ["h2"]
    assert begun(fleet(8, h0=Standing.FAILED, h1=Standing.FAILED), 6) == []


def test_a_host_that_was_unhealthy_before_costs_nothing() -> None:
    hosts = [HostHealth("sick", "a", before=False, standing=Standing.PENDING), *fleet(3, h0=Standing.FAILED)]

    assert next_hosts(["sick", "h1", "h2"], hosts, 2) == ["sick"]


@pytest.mark.parametrize(
    ("minimum", "size", "failed", "good"),
    [
        (ONE, 3, {"h2"}, True),
        (ONE, 1, {"h0"}, False),
        (HALF, 9, {"h0", "h1", "h2", "h3"}, True),
        (HALF, 9, {"h0", "h1", "h2", "h3", "h4"}, False),
        (ALL, 9, {f"h{n}" for n in range(8)}, True),
        (ALL, 9, {f"h{n}" for n in range(9)}, False),
    ],
)
def test_the_verdict_on_a_deployment_that_is_through(
    minimum: Minimum, size: int, failed: set[str], good: bool
) -> None:
    standings = {f"h{n}": Standing.FAILED if f"h{n}" in failed else Standing.SUCCEEDED for n in range(size)}

    assert succeeded(fleet(size, **standings), minimum.of(size)) is good


def test_the_order_of_hosts_is_unhealthy_unknown_old_current() -> None:
    known = {
        "current": LastDeployment("new", succeeded=True),
        "old": LastDeployment("old", succeeded=True),
        "unknown": None,
        "failed": LastDeployment("new", succeeded=False),
    }

    assert sorted(known, key=lambda name: claim(known[name], "new")) == ["failed", "unknown", "old", "current"]
    assert claim(None, "new") is Claim.UNKNOWN


def test_without_a_balancer_the_six_traffic_events_drop_out() -> None:
    balanced, plain = in_place(balanced=True), in_place(balanced=False)

    assert [event.value for event in balanced if event not in plain] == [
        "BeforeBlockTraffic",
        "BlockTraffic",
        "AfterBlockTraffic",
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
    ]
    assert [event for event in balanced if event in plain] == list(plain)


def test_the_agent_gets_no_event_that_codedeploy_keeps_for_itself() -> None:
    pieces = parts(in_place(balanced=True))

    assert [event for piece in pieces for event in piece] == list(in_place(balanced=True))
    for piece in pieces:
        if len(piece) > 1:
            assert LifecycleEvent.BLOCK_TRAFFIC not in piece
            assert LifecycleEvent.ALLOW_TRAFFIC not in piece


def test_the_agent_is_through_with_a_command_at_install() -> None:
    """From then on the revision is the last successful one there."""
    assert any(piece[-1] is LifecycleEvent.INSTALL for piece in parts(in_place(balanced=False)))
