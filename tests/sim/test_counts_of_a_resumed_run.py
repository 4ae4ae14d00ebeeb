"""What a resumed run reports of the fleet is what the fleet was, not what the run did not know yet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.engine.result import Result, Status
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.crashes import kinds
from deployer.sim.run import NEW, build
from deployer.sim.setup import draw
from deployer.sim.time import History

SETUPS = dict(kinds())


@pytest.mark.parametrize("call", range(6, 30, 4))
@pytest.mark.parametrize("kind", ["rolling relaunch", "rolling in-place", "canary relaunch"])
def test_nobody_is_counted_out_of_service_before_it_was_asked(kind: str, call: int) -> None:
    twin = build(replace(SETUPS[kind], crash=CrashPoint(call, Moment.ANSWERED)))
    twin.live()
    twin.world.time.advance(120.0)
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert result.lowest is not None
    assert result.lowest >= result.floor
    assert result.seconds_lower_bound is None  # it has seen only a part of it


@given(seed=st.integers(0, 100_000))
@settings(max_examples=40)
def test_what_is_said_of_workers_begins_when_all_of_them_have_been_asked(seed: int) -> None:
    setup = replace(
        draw(seed, faults=False), groups=(), split=False, grouped=None, strategy="rolling", hooked=frozenset()
    )
    result = build(setup).live()
    assert isinstance(result, Result)
    assert result.lowest is not None
    assert result.lowest >= min(result.floor, len(setup.zones))


def test_what_was_on_the_release_already_is_not_counted_as_replaced() -> None:
    twin = build(SETUPS["rolling relaunch"])
    there = list(twin.world.machines.values())[:4]
    for machine in there:
        machine.image = NEW.image or ""
        machine.app.release, machine.app.digest = NEW.name, NEW.digest
        machine.history = History(-1e6, machine.shown(twin.world.time.wall_offset))
    result = twin.live()
    assert isinstance(result, Result)
    assert (result.status, result.replaced, result.total) == (Status.SUCCEEDED, 2, 6)
    assert set(result.new).isdisjoint(one.id for one in there)
