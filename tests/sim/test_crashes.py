"""A rollout that dies at any of its calls converges when it is resumed, launches nothing twice, orphans nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.crashes import Summary, crash_at, kinds, page, points, whole, wrong
from deployer.sim.run import simulate

SETUPS = dict(kinds())


def test_a_rolling_relaunch_survives_a_crash_at_every_moment_of_every_call() -> None:
    setup = SETUPS["rolling relaunch"]
    summary = whole("rolling", setup)
    summary.merge(crash_at(setup, list(points(summary.calls))))
    assert summary.failures == []
    assert summary.points == summary.converged == summary.calls * len(Moment) > 100
    assert (summary.orphans, summary.double_launches, summary.second_changes) == (0, 0, 0)


@pytest.mark.parametrize("name", sorted(SETUPS))
def test_every_strategy_and_method_survives_crashes_here_and_there(name: str) -> None:
    setup = SETUPS[name]
    calls = simulate(setup).calls
    every = list(points(calls))
    # An odd step, so that the moments take turns.
    chosen = every[1 :: len(every) // 4 | 1]
    failures = {str(p): wrong(setup, simulate(replace(setup, crash=p))) for p in chosen}
    assert {point: found for point, found in failures.items() if found} == {}


@pytest.mark.parametrize("moment", list(Moment))
def test_a_crash_ends_the_process_where_it_should(moment: Moment) -> None:
    outcome = simulate(replace(SETUPS["rolling relaunch"], crash=CrashPoint(2, moment)))
    assert outcome.ends == ["killed", "succeeded"]


def test_a_crash_point_beyond_the_last_call_never_comes() -> None:
    outcome = simulate(replace(SETUPS["rolling relaunch"], crash=CrashPoint(10_000, Moment.BEFORE)))
    assert outcome.ends == ["succeeded"]


def test_the_table_tells_what_was_tried_and_what_came_of_it_in_a_line_a_kind_and_one_for_all() -> None:
    good = Summary("rolling relaunch", calls=10, points=40, converged=40)
    bad = Summary("canary relaunch", calls=5, points=20, converged=19, orphans=1, double_launches=2)
    assert list(page([good, bad]))[-3:] == [
        "| rolling relaunch | 10 | 40 | 100 % | 0 | 0 | 0 |",
        "| canary relaunch | 5 | 20 | 95 % | 1 | 2 | 0 |",
        "| **all** | 15 | 60 | 98.33 % | 1 | 2 | 0 |",
    ]
