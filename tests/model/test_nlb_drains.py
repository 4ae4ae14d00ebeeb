"""An NLB's live connections go on to a target that it has let go of: the host's word ends such a drain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.model.fleet import BalancerKind, TargetState
from deployer.model.policy import Policy
from deployer.model.service import drain_missing
from tests.builders import BALANCER, NOW, old, seen, slot

LONGEST = Policy().deadlines.drain / 2


def missing(kind: BalancerKind, *, ago: float, policy: Policy | None = None, **more: object) -> str | None:
    """What a target lacks that was let go of `ago` seconds ago, past its deregistration delay."""
    one = old("i-1", TargetState.ABSENT, detached_since=NOW - ago, **more)
    balancers = (replace(BALANCER, kind=kind, deregistration_delay=10.0),)
    found = drain_missing(seen([slot("s", one)], policy=policy, balancers=balancers), one)
    return None if found is None else found[0]


def test_a_host_that_still_has_connections_is_waited_for_behind_an_nlb_alone() -> None:
    assert missing(BalancerKind.NLB, ago=20.0, connections=3) == "draining: 3 connections open"
    assert missing(BalancerKind.ALB, ago=20.0, connections=3) is None


def test_a_host_that_hangs_may_have_connections_all_the_same() -> None:
    said = missing(BalancerKind.NLB, ago=20.0, connections=None, reachable=False)
    assert said is not None
    assert "the host cannot be asked" in said


@pytest.mark.parametrize("reachable", [True, False])
def test_nobody_is_waited_for_longer_than_half_of_the_deadline(reachable: bool) -> None:
    assert missing(BalancerKind.NLB, ago=LONGEST, connections=None, reachable=reachable) is None


def test_a_host_that_has_none_or_that_nobody_asks_is_not_waited_for() -> None:
    assert missing(BalancerKind.NLB, ago=20.0, connections=0) is None
    assert missing(BalancerKind.NLB, ago=20.0, connections=None, policy=Policy(ask_hosts=False)) is None
