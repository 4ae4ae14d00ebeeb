"""A signal in any phase of a rollout: it ends in the time that it promises, and can be gone on with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.policy import Method
from deployer.sim.crashes import kinds
from deployer.sim.faults import Fault, Planned
from deployer.sim.machines import Fate
from deployer.sim.run import Twin, build
from deployer.sim.setup import GroupSetup, Setup

SETUPS = dict(kinds())
KINDS = (
    "rolling relaunch",
    "rolling in-place",
    "canary relaunch",
    "blue-green relaunch",
    "rolling relaunch, in a group",
)


def setup(kind: str, within: float, **more: object) -> Setup:
    return replace(SETUPS[kind], stop_within=within, names_release=False, **more)  # type: ignore[arg-type]


def stopped(twin: Twin, at: float) -> tuple[Result, float]:
    """What comes of a signal at a moment, and how many seconds later."""
    twin.world.time.after(at, lambda: twin.mishaps.stop.ask("SIGTERM"))
    result = twin.live()
    assert isinstance(result, Result)
    return result, twin.world.time.now - at


def without_surge(made: Setup) -> Setup:
    """The predecessor goes first: while its successor boots there is nobody to go back to."""
    return replace(made, limits=replace(made.limits, surge=0, floor=made.limits.size - 1))


@pytest.mark.parametrize("at", [4.0, 13.0, 22.0, 31.0, 44.0, 58.0, 71.0, 85.0])
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_it_is_doing_it_ends_in_time_and_is_resumed_to_the_goal(kind: str, at: float) -> None:
    twin = build(setup(kind, within=6.0))
    result, seconds = stopped(twin, at)
    assert result.status is Status.INTERRUPTED
    assert result.exit_code is ExitCode.TERMINATED
    assert seconds <= 6.0 + 2 * twin.setup.poll
    resumed = twin.live()
    assert isinstance(resumed, Result)
    assert resumed.status is Status.SUCCEEDED
    assert twin.witness.violations == []


def test_a_boot_that_comes_to_nothing_is_not_waited_for_and_the_reason_names_it() -> None:
    twin = build(without_surge(setup("rolling relaunch", within=30.0)))
    twin.world.fate = lambda: Fate(never_answers=True)
    result, seconds = stopped(twin, 60.0)
    assert seconds <= 30.0 + 2 * twin.setup.poll
    assert (result.status, result.exit_code) == (Status.INTERRUPTED, ExitCode.TERMINATED)
    assert result.reason is not None
    assert result.reason.startswith("asked to stop, and 30 s were not enough to bring everything back into service")
    assert "boots (last: connection refused)" in result.reason
    assert twin.store.holder("web") is not None, "nobody but `resume` and `abort` may have the fleet now"


@pytest.mark.parametrize(
    ("phase", "made", "at"),
    [
        ("soak", setup("rolling relaunch", within=6.0), 60.0),
        ("drain", setup("rolling relaunch", within=6.0), 45.0),
        (
            "frozen",
            setup("rolling relaunch", within=6.0, faults=(Planned(Fault.ALL_UNHEALTHY, 15.0, 500.0),)),
            40.0,
        ),
        (
            "silent",
            setup("rolling relaunch", within=6.0, faults=(Planned(Fault.ENDPOINT_DOWN, 15.0, 500.0),)),
            40.0,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_wait_however_long_outlasts_the_time_after_a_signal(phase: str, made: Setup, at: float) -> None:
    if phase == "soak":
        made = replace(made, policy=replace(made.policy, soak=600.0))
    if phase == "drain":
        made = replace(made, groups=tuple(_slow_to_let_go(group) for group in made.groups))
    twin = build(made)
    twin.mishaps.schedule()
    result, seconds = stopped(twin, at)
    assert result.status is Status.INTERRUPTED
    assert seconds <= 6.0 + 2 * made.poll
    assert twin.witness.violations == []


def _slow_to_let_go(group: GroupSetup) -> GroupSetup:
    return replace(group, long_connections=1.0, balancer=replace(group.balancer, deregistration_delay=900.0))


@pytest.mark.parametrize("method", list(Method))
def test_with_time_enough_everybody_is_brought_back_and_the_fleet_is_let_go_of(method: Method) -> None:
    twin = build(setup(f"rolling {method.value}", within=1e4))
    result, _ = stopped(twin, 33.0)
    assert result.status is Status.INTERRUPTED
    assert len(twin.witness.serving()) == len(twin.setup.zones)
    assert twin.store.holder("web") is None


def test_a_request_to_pause_takes_the_time_that_it_takes() -> None:
    twin = build(setup("rolling in-place", within=1.0))
    twin.world.time.after(20.0, lambda: twin.mishaps.stop.ask("pause", hurry=False))
    result = twin.live()
    assert isinstance(result, Result)
    assert len(twin.witness.serving()) == len(twin.setup.zones)
    assert twin.store.holder("web") is None
