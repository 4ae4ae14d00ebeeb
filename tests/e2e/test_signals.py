"""What a rollout does when it is stopped, once or twice: with real signals, in a lab."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.lab import IN_PLACE, TestLab, all_new, held

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_brings_what_is_in_flight_into_service_and_leaves_the_rollout_to_be_resumed(
    fleet: TestLab, number: signal.Signals, code: int
) -> None:
    rollout = fleet.start(*IN_PLACE)
    fleet.wait_for(rollout, "move=drain")
    rollout.send_signal(number)
    stopped = fleet.finish(rollout)
    assert stopped.code == code, stopped.err
    status = fleet.run("status", "--output", "json").document
    assert status["in_service"] == 4
    assert status["held"] is None
    all_new(fleet, fleet.run("resume", "--output", "json"))


def test_the_second_signal_ends_it_at_once_keeps_the_fleet_held_and_tells_how_to_go_on(fleet: TestLab) -> None:
    rollout = fleet.start(*IN_PLACE)
    fleet.wait_for(rollout, "move=drain")
    rollout.send_signal(signal.SIGINT)
    fleet.wait_for(rollout, "turned")
    rollout.send_signal(signal.SIGINT)
    stopped = fleet.finish(rollout)
    assert stopped.code == 130, stopped.err
    assert "deployer resume" in stopped.err
    assert held(fleet) is not None
    other = fleet.run(*IN_PLACE)
    assert other.code == 4
    assert "deployer resume" in other.err
    all_new(fleet, fleet.run("resume", "--output", "json"))
