"""When a host's word ends a drain early: it is quiet for long enough, and could show it if it were not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.fleet import BalancerKind, TargetState
from deployer.model.observation import Seen
from deployer.model.policy import Policy
from deployer.model.service import drain_missing
from deployer.model.sources.balancers import is_quiet
from tests.builders import BALANCER, NOW, old, quiet, seen, slot

QUIET = Policy().quiet


def drains(**more: object) -> Seen:
    """One that drains, is quiet for long, and has shown connections on its port before."""
    ports = frozenset({8080})
    one = replace(quiet(old("i-1", TargetState.DRAINING)), sent_to=ports, shown=ports)
    return replace(one, **more)  # type: ignore[arg-type]


def missing(one: Seen, **more: object) -> str | None:
    found = drain_missing(seen([slot("s", one)], **more), one)  # type: ignore[arg-type]
    return None if found is None else found[0]


def test_a_quiet_host_that_has_shown_connections_before_is_drained() -> None:
    assert missing(drains()) is None


@pytest.mark.parametrize("shown", [frozenset[int](), frozenset({9080})])
def test_a_host_that_has_never_shown_a_connection_on_its_port_is_not_quiet(shown: frozenset[int]) -> None:
    said = missing(drains(shown=shown))

    assert said is not None
    assert "has shown no connection on port 8080, so for the whole deregistration delay" in said


def test_every_port_that_is_sent_to_has_to_have_shown_one() -> None:
    said = missing(drains(sent_to=frozenset({8080, 9080, 9081})))

    assert said is not None
    assert "on port 9080, 9081" in said


@pytest.mark.parametrize("kind", [BalancerKind.ALB, BalancerKind.NLB])
def test_it_is_drained_when_the_deregistration_delay_is_over(kind: BalancerKind) -> None:
    gone = {BALANCER.id: replace(drains().targets[BALANCER.id], state=TargetState.ABSENT)}
    balancers = (replace(BALANCER, kind=kind),)

    early = drains(shown=frozenset(), targets=gone, detached_since=NOW - BALANCER.deregistration_delay + 1)
    late = replace(early, detached_since=NOW - BALANCER.deregistration_delay)

    assert missing(early, balancers=balancers) is not None
    assert missing(late, balancers=balancers) is None


def test_datagrams_leave_no_trace_on_a_host() -> None:
    udp = replace(BALANCER, kind=BalancerKind.NLB, datagrams=True, name="dns")

    said = missing(drains(), balancers=(udp,))

    assert said is not None
    assert "dns sends by UDP" in said


def test_a_host_that_was_not_asked_at_the_end_of_the_quiet_time_is_not_known_to_be_quiet_then() -> None:
    once = drains(quiet_since=NOW - 60, quiet_until=NOW - 60 + QUIET - 0.1)

    assert missing(once) == "draining: no connections, making sure"
    assert missing(replace(once, quiet_until=NOW - 60 + QUIET)) is None


def test_a_worker_that_was_asked_to_take_no_more_waits_for_its_own_connections_alone() -> None:
    asked = replace(quiet(old("i-1")), targets={}, sent_to=frozenset())
    assert missing(asked) is None
    assert missing(replace(asked, connections=1)) == "at work: 1 connections open"


_TIMES = st.none() | st.floats(NOW - 100, NOW)
_PORTS = st.frozensets(st.sampled_from((80, 8080, 9080)))


@given(since=_TIMES, until=_TIMES, sent_to=_PORTS, shown=_PORTS, connections=st.none() | st.integers(0, 3))
def test_a_drain_that_ends_early_was_found_quiet_for_long_enough_on_ports_that_could_show_otherwise(
    since: float | None,
    until: float | None,
    sent_to: frozenset[int],
    shown: frozenset[int],
    connections: int | None,
) -> None:
    one = drains(quiet_since=since, quiet_until=until, sent_to=sent_to, shown=shown, connections=connections)
    there = seen([slot("s", one)])

    assert (drain_missing(there, one) is None) == is_quiet(there, one)
    if is_quiet(there, one):
        assert since is not None
        assert until is not None
        assert until - since >= QUIET
        assert sent_to <= shown
        assert connections == 0
