"""What a resumed run reports of the fleet is what the fleet was, not what the run did not know yet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.crashes import kinds
from deployer.sim.run import build

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
    assert result.lowest >= result.floor
