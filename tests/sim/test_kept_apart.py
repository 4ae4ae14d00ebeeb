"""What fails and is kept for a look leaves the fleet as what is terminated does: nothing waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Status
from deployer.model.capacity import Limits
from deployer.model.fleet import Tag
from deployer.model.policy import Keep, OnFailure
from deployer.sim.__main__ import complaints
from deployer.sim.crashes import crash_at, kinds, points, whole
from deployer.sim.faults import Fault, Planned
from deployer.sim.run import Outcome, build
from deployer.sim.setup import Setup

RELAUNCHES: dict[str, Setup] = {
    name: setup for name, setup in kinds() if not setup.faults and "relaunch" in name and "type" not in name
}
SICK = tuple(Planned(fault, 20.0) for fault in (Fault.NEVER_HEALTHY, Fault.WRONG_RELEASE, Fault.SICK_LATER))
LOOKS, LOOKS_IN_A_GROUP = 3, 20
"""The most looks by which keeping may be later: its calls are others, and in a group more, so chance differs."""


def run(setup: Setup, keep: Keep, **policy: object) -> tuple[Outcome, list[str]]:
    """The outcome, and what was kept of it."""
    changed = replace(setup.policy, failed_instances=keep, **policy)  # type: ignore[arg-type]
    twin = build(replace(setup, policy=changed))
    outcome = twin.run()
    return outcome, [one.tags[Tag.KEPT] for one in twin.world.kept()]


@pytest.mark.parametrize("name", RELAUNCHES)
@pytest.mark.parametrize("fault", SICK, ids=lambda planned: planned.fault.name.lower())
@pytest.mark.parametrize("put_up_with", [0, 1])
def test_a_rollout_that_keeps_what_failed_ends_as_one_that_terminates_it(
    name: str, fault: Planned, put_up_with: int
) -> None:
    # A blue/green rollout launches all that it ever does within its first seconds.
    fault = replace(fault, at=1.0) if name.startswith("blue-green") else fault
    setup = replace(RELAUNCHES[name], faults=(fault,))
    ended, none = run(setup, Keep.TERMINATE, max_failures=put_up_with)
    kept, some = run(setup, Keep.KEEP, max_failures=put_up_with)
    assert complaints(kept) == complaints(ended) == []
    assert kept.status is ended.status
    looks = LOOKS_IN_A_GROUP if setup.grouped else LOOKS
    assert kept.seconds - ended.seconds <= looks * setup.poll
    assert (none, some) == ([], ["r-7"])


@pytest.mark.parametrize("where", ["", ", in a group"])
def test_a_crash_at_any_moment_neither_loses_nor_doubles_what_is_kept(where: str) -> None:
    two = replace(RELAUNCHES[f"rolling relaunch{where}"], zones=("a", "b"), limits=Limits(2, 1, 1, 1))
    base = replace(two, faults=(Planned(Fault.NEVER_HEALTHY, 0.1),))
    setup = replace(base, policy=replace(base.policy, failed_instances=Keep.KEEP, on_failure=OnFailure.ROLLBACK))
    summary = whole("kept", setup)
    assert summary.failures == []
    assert crash_at(setup, list(points(summary.calls))).failures == []


def test_a_rollback_that_keeps_what_failed_is_over_as_soon_as_the_fleet_is_back() -> None:
    setup = replace(RELAUNCHES["rolling relaunch"], faults=(Planned(Fault.NEVER_HEALTHY, 1.0),))
    outcome, kept = run(setup, Keep.KEEP)
    assert outcome.status is Status.ROLLED_BACK
    assert kept
    assert outcome.seconds < setup.policy.deadlines.progress
