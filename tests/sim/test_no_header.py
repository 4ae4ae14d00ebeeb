"""An application that names no release, in the twin: it arrives, goes back, and no healthy stranger is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.model.policy import OnFailure
from deployer.sim.crashes import kinds
from deployer.sim.faults import Fault, Planned
from deployer.sim.run import build, simulate
from deployer.sim.setup import Setup, draw
from deployer.sim.world import WRONG

SETUPS = dict(kinds())


def silent(setup: Setup, *faults: Planned) -> Setup:
    return replace(setup, names_release=False, faults=faults)


@pytest.mark.parametrize("kind", sorted(SETUPS))
def test_every_kind_of_rollout_arrives_and_a_second_run_changes_nothing(kind: str) -> None:
    outcome = simulate(silent(SETUPS[kind]))
    assert (outcome.status, outcome.violations) == (Status.SUCCEEDED, [])
    assert outcome.second_changes == 0


@pytest.mark.parametrize("on_failure", [OnFailure.ROLLBACK, OnFailure.STOP])
@pytest.mark.parametrize("kind", ["rolling relaunch", "rolling in-place", "blue-green relaunch"])
def test_a_healthy_instance_with_a_wrong_release_is_given_up(kind: str, on_failure: OnFailure) -> None:
    """It comes from another image, or its host's marker names another bundle."""
    base = silent(SETUPS[kind], Planned(Fault.WRONG_RELEASE, 0.0))
    twin = build(replace(base, policy=replace(base.policy, on_failure=on_failure, max_failures=0)))
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is (Status.ROLLED_BACK if on_failure is OnFailure.ROLLBACK else Status.FAILED)
    assert twin.witness.violations == []
    assert twin.witness.given_up
    assert not any(one.app.release == WRONG.release for one in twin.witness.serving())


def test_seeds_draw_applications_with_and_without_a_header() -> None:
    drawn = [draw(seed).names_release for seed in range(40)]
    assert 5 < drawn.count(False) < 35
