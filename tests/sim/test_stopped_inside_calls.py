"""A process that stands still inside a call, or between two attempts, changes nothing once it is taken over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.sim.faults import Fault, Planned
from deployer.sim.run import build
from deployer.sim.setup import draw
from deployer.sim.witness import Violation

SEEDS = range(20)


def stopped(seed: int, fault: Fault) -> tuple[list[Violation], list[str]]:
    """A rollout in fair weather whose process stands still in one of its calls; the ends of its processes."""
    setup = replace(draw(seed, faults=False), faults=(Planned(fault, float(seed % 10) * 8.0),))
    twin = build(setup)
    outcome = twin.run()
    assert outcome.faults[fault], f"seed {seed} made no call after the fault was due"
    return outcome.violations, outcome.ends


@pytest.mark.parametrize("fault", [Fault.STOPPED_IN_CALL, Fault.STOPPED_IN_RETRY])
def test_nothing_is_sent_after_the_fleet_was_taken_over(fault: Fault) -> None:
    for seed in SEEDS:
        violations, _ = stopped(seed, fault)
        assert violations == [], f"seed {seed}"


def test_whoever_was_stopped_is_told_that_it_was_taken_over_and_not_that_it_was_unlocked() -> None:
    said = [end for seed in SEEDS for end in stopped(seed, Fault.STOPPED_IN_CALL)[1]]
    lost = [end for end in said if end.startswith("LeaseLost")]
    assert lost
    assert all("took it over under epoch" in end and "unlock" not in end for end in lost), lost
