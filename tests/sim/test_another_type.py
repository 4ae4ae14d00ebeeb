"""A rollout that changes the instance type alone: the same release and image, on another type."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.model.capacity import Amount, limits_for
from deployer.sim.crashes import kinds, points, wrong
from deployer.sim.faults import Fault, Planned
from deployer.sim.run import Twin, build, simulate
from deployer.sim.setup import Setup
from deployer.sim.world import DEFAULT_TYPE

SETUPS = dict(kinds())
STRATEGIES = ("rolling", "one-at-a-time", "zone-by-zone", "canary", "blue-green")


def setup(strategy: str, *faults: Planned) -> Setup:
    base = SETUPS[f"{strategy} relaunch"]
    zones = {zone: base.zones.count(zone) for zone in base.zones}
    surge = Amount.ALL if strategy == "blue-green" else Amount(1)
    limits = limits_for(zones=zones, batch=Amount(2), floor=None, surge=surge, can_surge=True)
    return replace(base, faults=faults, limits=limits, new_type="m5.xlarge")


def types(twin: Twin) -> Counter[str]:
    return Counter(one.type for one in twin.world.fleet())


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_brings_the_fleet_to_the_type_though_it_serves_the_release_already(strategy: str) -> None:
    twin = build(setup(strategy))
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert types(twin) == {"m5.xlarge": result.total}
    assert result.replaced == result.total
    assert twin.witness.violations == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rollback_ends_on_the_type_of_before(strategy: str) -> None:
    outcome = simulate(setup(strategy, Planned(Fault.NEVER_HEALTHY, 20.0)))
    assert outcome.status in (Status.ROLLED_BACK, Status.SUCCEEDED)
    assert outcome.violations == []


def test_on_the_way_back_every_place_gets_the_type_that_it_had_itself() -> None:
    twin = build(setup("one-at-a-time", Planned(Fault.NEVER_HEALTHY, 150.0)))
    first = next(iter(twin.world.machines.values()))
    first.type = "c5.large"
    first.history.put(twin.world.time.now, first.shown(twin.world.time.wall_offset))
    slots = tuple(replace(one, type="c5.large") if one.instance == first.id else one for one in twin.plan.slots)
    twin.plan = twin.witness.plan = replace(twin.plan, slots=slots)
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.ROLLED_BACK
    assert types(twin) == {DEFAULT_TYPE: result.total - 1, "c5.large": 1}


def test_a_second_rollout_to_the_same_type_finds_nothing_to_do() -> None:
    assert simulate(setup("rolling")).second_changes == 0


@pytest.mark.parametrize("name", ["rolling relaunch, another type", "rolling relaunch, another type, turning back"])
@pytest.mark.parametrize("call", [2, 7, 13, 19])
def test_killed_on_the_way_it_is_resumed_to_the_same_end(name: str, call: int) -> None:
    for point in [point for point in points(call) if point.call == call]:
        crashed = replace(SETUPS[name], crash=point)
        assert not wrong(crashed, simulate(crashed)), str(point)
