"""Proof by traffic in the twin: it costs a rollout little where requests flow, and stops it where they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Status
from deployer.model.policy import OnFailure
from deployer.sim.__main__ import complaints
from deployer.sim.crashes import crash_at, kinds, points, whole
from deployer.sim.faults import Fault, Planned
from deployer.sim.run import simulate
from deployer.sim.setup import Setup

KINDS: dict[str, Setup] = {name: setup for name, setup in kinds() if not setup.faults and "type" not in name}


def asking(setup: Setup, wanted: int = 20) -> Setup:
    return replace(setup, rate=2.0, policy=replace(setup.policy, min_requests=wanted))


@pytest.mark.parametrize("name", KINDS)
def test_where_requests_flow_every_kind_of_rollout_succeeds(name: str) -> None:
    outcome = simulate(asking(KINDS[name]))
    assert (outcome.status, complaints(outcome)) == (Status.SUCCEEDED, []), outcome.reason


@pytest.mark.parametrize("name", KINDS)
def test_one_target_that_is_sent_nothing_is_unproven_and_the_rollout_turns_back(name: str) -> None:
    withheld = (Planned(Fault.NO_TRAFFIC, 0.1),)
    setup = asking(replace(KINDS[name], faults=withheld))
    outcome = simulate(replace(setup, policy=replace(setup.policy, on_failure=OnFailure.ROLLBACK)))
    assert complaints(outcome) == []
    assert outcome.faults[Fault.NO_TRAFFIC] == 1
    assert (outcome.status, outcome.reason) == (Status.ROLLED_BACK, "1 failed, more than the 0 allowed")


def test_no_requests_at_all_stop_the_way_forward_and_never_the_way_back() -> None:
    for name in ("rolling relaunch", "rolling in-place", "blue-green relaunch, by weight"):
        setup = replace(asking(KINDS[name]), rate=0.0)
        outcome = simulate(setup)
        assert outcome.status is Status.ROLLED_BACK, f"{name}: {outcome.reason}"
        assert outcome.violations == []


def test_whoever_resumes_after_a_crash_keeps_to_the_requests_asked_for() -> None:
    setup = asking(replace(KINDS["rolling relaunch"], zones=("a", "b", "c")), 5)
    setup = replace(setup, limits=replace(setup.limits, size=3, window=1, floor=2, surge=1))
    summary = whole("asking", setup)
    assert summary.failures == []
    assert crash_at(setup, list(points(summary.calls))).failures == []
