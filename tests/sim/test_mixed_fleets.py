"""A fleet that earlier rollouts left half way: whoever turns back brings each slot to what it ran itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.plan import RolloutPlan
from deployer.engine.result import Result, Status
from deployer.model.policy import Method, OnFailure
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.faults import Fault, Planned
from deployer.sim.run import Twin, build
from deployer.sim.setup import Setup
from tests.sim.test_endings import setup

MIXTURES = ("eoo", "noo", "eno", "oeo")


def mixed(method: Method, mixture: str, *faults: Planned) -> Setup:
    base = setup(method, *faults)
    zones = base.zones[:3] if len(base.zones) >= 3 else (base.zones[0],) * 3
    policy = replace(base.policy, on_failure=OnFailure.ROLLBACK, max_failures=0)
    limits = replace(base.limits, size=3, window=1, floor=min(base.limits.floor, 2), zone_floor=())
    return replace(base, zones=zones, mixed=mixture, policy=policy, limits=limits)


def running(twin: Twin) -> list[str]:
    """What runs in each slot, in the slots' order; a letter each, as in `Setup.mixed`."""
    letters = {"0": "e", "1": "o", "2": "n"}
    places = {slot.instance: slot.name for slot in twin.plan.slots}
    there = {places.get(one.id) or one.tags["deployer:slot"]: one.app.release for one in twin.world.fleet()}
    return [letters[there[slot.name] or ""] for slot in twin.plan.slots]


@pytest.mark.parametrize("grouped", [None, "1", "$Latest", "$Default"])
@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("method", list(Method))
def test_a_rollout_that_turns_back_leaves_each_slot_on_what_it_ran_before(
    method: Method, mixture: str, grouped: str | None
) -> None:
    # The second one that is changed never comes up, so somebody has been changed before the turn.
    twin = build(replace(mixed(method, mixture, Planned(Fault.NEVER_HEALTHY, 25.0)), grouped=grouped))
    outcome = twin.run()
    assert outcome.status is Status.ROLLED_BACK
    assert running(twin) == list(mixture)
    assert outcome.violations == []


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("method", list(Method))
def test_whoever_ran_the_goal_or_was_not_reached_yet_is_left_alone_on_the_way_back(
    method: Method, mixture: str
) -> None:
    twin = build(mixed(method, mixture, Planned(Fault.NEVER_HEALTHY, 0.0)))
    before = [one.id for one in twin.world.fleet()]
    versions = {one.id: one.app.version for one in twin.world.fleet()}
    outcome = twin.run()
    assert outcome.status is Status.ROLLED_BACK
    untouched = [one for one in twin.world.fleet() if one.id in before and one.app.version == versions[one.id]]
    assert len(untouched) >= 2
    assert running(twin) == list(mixture)
    assert outcome.violations == []


@pytest.mark.parametrize("method", list(Method))
def test_one_that_is_killed_on_the_way_back_goes_on_to_the_same_place(method: Method) -> None:
    twin = build(replace(mixed(method, "eon", Planned(Fault.NEVER_HEALTHY, 25.0)), crash=None))
    calls = build(twin.setup).run().calls
    for call in range(1, calls + 1):
        killed = build(replace(twin.setup, crash=CrashPoint(call, Moment.APPLIED)))
        outcome = killed.run()
        assert outcome.violations == [], f"call {call}"
        wanted = list("nnn") if outcome.status is Status.SUCCEEDED else list("eon")
        assert running(killed) == wanted, f"call {call}, {outcome.status}"


def test_a_mixed_fleet_arrives_on_the_goal() -> None:
    twin = build(mixed(Method.IN_PLACE, "eon"))
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert running(twin) == list("nnn")
    assert twin.witness.violations == []


def test_what_each_slot_ran_is_part_of_the_pinned_plan() -> None:
    plan = build(mixed(Method.RELAUNCH, "eno")).plan
    read = RolloutPlan.from_json(plan.to_json())
    assert read == plan
    assert [slot.before.name if slot.before else None for slot in read.slots] == ["0", "2", None]
