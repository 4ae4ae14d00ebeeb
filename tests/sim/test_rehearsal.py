"""A plan is rehearsed on its own fleet: with its balancers, and with its traffic split where it is."""

from __future__ import annotations

import pytest

from deployer.engine.loop import Decides
from deployer.sim.crashes import kinds
from deployer.sim.rehearsal import rehearse
from deployer.sim.run import build
from deployer.strategies.rolling import Rolling
from deployer.strategies.traffic_canary import TrafficCanary

SETUPS = dict(kinds())


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [("rolling relaunch", Rolling()), ("traffic-canary relaunch, by weight", TrafficCanary(soak=5.0))],
)
def test_a_plan_arrives_in_fair_weather_and_breaks_no_promise_in_foul(kind: str, strategy: Decides) -> None:
    rehearsed = rehearse(build(SETUPS[kind]).plan, strategy, seeds=4)
    assert rehearsed.rollouts == 9
    assert rehearsed.fair_seconds > 0
    assert rehearsed.broken == ()
