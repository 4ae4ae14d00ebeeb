"""The first look of a process may lack a page of targets too: who is not on it was not let go of (fault 46)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.crashes import kinds
from deployer.sim.faults import Fault
from deployer.sim.run import Twin, build
from deployer.sim.setup import Setup

SETUPS = dict(kinds())
KINDS = ("rolling relaunch", "rolling relaunch, in a group", "rolling in-place", "rolling in-place, in a group")
SECONDS = 8.0
"""How long the page is missing: for several looks, and less than AWS may take to show a change."""


def unforgiving(kind: str) -> Setup:
    """Everybody at once, with drains of no length: whoever is taken for drained is changed in the same tick."""
    base = SETUPS[kind]
    groups = tuple(
        replace(group, balancer=replace(group.balancer, deregistration_delay=0.0)) for group in base.groups
    )
    limits = replace(base.limits, window=len(base.zones), surge=0, floor=1)
    return replace(base, groups=groups, limits=limits, policy=replace(base.policy, quiet=0.0))


def lose_a_page(twin: Twin) -> None:
    """From now on, a look shows only some of the targets."""
    twin.world.weather.until[Fault.TARGETS_MISSING] = twin.world.time.now + SECONDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_rollout_whose_first_look_lacks_a_page_changes_nobody_who_is_healthy(kind: str) -> None:
    twin = build(unforgiving(kind))
    lose_a_page(twin)
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert twin.witness.violations == []


@pytest.mark.parametrize("call", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_neither_does_one_that_is_resumed(kind: str, call: int) -> None:
    twin = build(replace(unforgiving(kind), crash=CrashPoint(call, Moment.ANSWERED)))
    twin.live()
    assert twin.finished is None
    twin.world.time.advance(60.0)
    lose_a_page(twin)
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert twin.witness.violations == []
