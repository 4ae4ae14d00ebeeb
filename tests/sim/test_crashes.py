"""A rollout that dies at any of its calls converges when it is resumed, launches nothing twice, orphans nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.crashes import crash_everywhere, kinds, points, wrong
from deployer.sim.run import simulate

SETUPS = dict(kinds())


def test_a_rolling_relaunch_survives_a_crash_at_every_moment_of_every_call() -> None:
    summary = crash_everywhere("rolling", SETUPS["rolling relaunch"])
    assert summary.failures == []
    assert summary.points == summary.converged > 100


@pytest.mark.parametrize("name", sorted(SETUPS))
def test_every_strategy_and_method_survives_crashes_here_and_there(name: str) -> None:
    setup = SETUPS[name]
    calls = simulate(setup).calls
    chosen = list(points(calls))[:: max(1, calls * len(Moment) // 16)]
    failures = {str(p): wrong(setup, simulate(replace(setup, crash=p))) for p in chosen}
    assert {point: found for point, found in failures.items() if found} == {}


@pytest.mark.parametrize("moment", list(Moment))
def test_a_crash_ends_the_process_where_it_should(moment: Moment) -> None:
    outcome = simulate(replace(SETUPS["rolling relaunch"], crash=CrashPoint(2, moment)))
    assert outcome.ends == ["killed", "succeeded"]


def test_a_crash_point_beyond_the_last_call_never_comes() -> None:
    outcome = simulate(replace(SETUPS["rolling relaunch"], crash=CrashPoint(10_000, Moment.BEFORE)))
    assert outcome.ends == ["succeeded"]
