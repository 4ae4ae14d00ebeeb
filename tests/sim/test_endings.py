"""How a rollout ends when it is asked to stop, or when nothing comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.occasions import Point
from deployer.model.policy import Method, OnFailure
from deployer.sim.crashes import kinds
from deployer.sim.faults import Fault, Planned
from deployer.sim.machines import Fate
from deployer.sim.run import Twin, build
from deployer.sim.setup import Setup

SETUPS = dict(kinds())


def setup(method: Method, *faults: Planned) -> Setup:
    return replace(SETUPS[f"rolling {method.value}"], faults=faults)


@pytest.mark.parametrize("at", [3.0, 9.0, 20.0, 33.0, 47.0, 60.0, 90.0])
@pytest.mark.parametrize("method", list(Method))
def test_asked_once_to_stop_everybody_in_flight_is_brought_back_into_service(method: Method, at: float) -> None:
    twin = build(setup(method))
    twin.world.time.after(at, lambda: twin.mishaps.stop.ask("SIGINT"))
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.INTERRUPTED
    assert len(twin.witness.serving()) == len(twin.setup.zones)
    assert twin.witness.violations == []
    assert twin.store.holder("web") is None


@pytest.mark.parametrize("method", list(Method))
def test_asked_twice_to_stop_it_leaves_everything_and_keeps_the_lease_for_the_resume(method: Method) -> None:
    twin = build(setup(method))
    for at in (20.0, 22.0):
        twin.world.time.after(at, lambda: twin.mishaps.stop.ask("SIGINT"))
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.INTERRUPTED
    assert twin.store.holder("web") is not None
    resumed = twin.live()
    assert isinstance(resumed, Result)
    assert resumed.status is Status.SUCCEEDED
    assert twin.witness.violations == []


@pytest.mark.parametrize("on_failure", [OnFailure.ROLLBACK, OnFailure.STOP])
def test_instances_that_never_come_up_end_the_rollout_with_a_reason_and_the_fleet_whole(
    on_failure: OnFailure,
) -> None:
    base = setup(Method.RELAUNCH)
    twin = build(replace(base, policy=replace(base.policy, on_failure=on_failure)))
    twin.world.fate = lambda: Fate(never_answers=True)
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is (Status.ROLLED_BACK if on_failure is OnFailure.ROLLBACK else Status.FAILED)
    assert result.reason == "2 failed, more than the 0 allowed"
    assert len(twin.witness.serving()) == len(twin.setup.zones)
    assert twin.witness.violations == []


def asking(method: Method) -> Twin:
    """A rollout whose first new instance fails, and that asks then."""
    base = setup(method, Planned(Fault.NEVER_HEALTHY, 0.0))
    twin = build(replace(base, policy=replace(base.policy, on_failure=OnFailure.ASK)))
    twin.mishaps.schedule()
    return twin


@pytest.mark.parametrize("method", list(Method))
def test_a_rollout_that_is_to_ask_pauses_with_the_reason_and_stays_open(method: Method) -> None:
    twin = asking(method)
    result = twin.live()
    assert isinstance(result, Result)
    assert (result.status, result.exit_code, result.asks) == (Status.INTERRUPTED, ExitCode.PAUSED, True)
    assert result.reason is not None
    assert "more than the 0 allowed; " in result.reason
    assert "in service" in result.reason
    last = twin.store.last_rollout("web")
    assert last is not None
    assert not last.finished
    assert twin.store.holder("web") is None
    assert twin.witness.violations == []


@pytest.mark.parametrize("method", list(Method))
def test_the_answer_to_go_on_is_to_resume_and_what_failed_is_not_counted_again(method: Method) -> None:
    twin = asking(method)
    twin.live()
    result = twin.live()
    assert isinstance(result, Result)
    assert (result.status, result.asks) == (Status.SUCCEEDED, False)
    assert twin.witness.violations == []


@pytest.mark.parametrize("method", list(Method))
def test_a_rollout_that_asks_again_pauses_again(method: Method) -> None:
    twin = asking(method)
    twin.world.fate = lambda: Fate(never_answers=True)
    for _ in range(2):
        result = twin.live()
        assert isinstance(result, Result)
        assert (result.exit_code, result.asks) == (ExitCode.PAUSED, True)


@pytest.mark.parametrize("method", list(Method))
def test_the_answer_to_turn_back_brings_the_fleet_back(method: Method) -> None:
    twin = asking(method)
    twin.live()
    lease = twin.store.acquire(
        "web", twin.next_life().owner, "abort", twin.plan.rollout, 60.0, twin.next_life().clock()
    )
    journal = twin.store.open_rollout("web", twin.plan.rollout, lease, twin.next_life().clock())
    journal.append("stance", "advance", {"reason": "aborted", "rolling_back": True})
    lease.release()
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.ROLLED_BACK
    assert {one.app.release for one in twin.world.fleet()} == {"1"}


@pytest.mark.parametrize("on_failure", [OnFailure.STOP, OnFailure.ASK])
def test_what_could_not_be_installed_and_was_not_changed_goes_back_into_service(on_failure: OnFailure) -> None:
    base = setup(Method.IN_PLACE, Planned(Fault.DISK_FULL, 0.0))
    twin = build(replace(base, policy=replace(base.policy, on_failure=on_failure)))
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, Result)
    stopped = (Status.FAILED, ExitCode.FAILED_SAFE)
    asks = (Status.INTERRUPTED, ExitCode.PAUSED)
    assert (result.status, result.exit_code) == (asks if on_failure is OnFailure.ASK else stopped)
    assert result.failed == 1
    assert len(twin.witness.serving()) == len(twin.setup.zones)
    assert twin.witness.violations == []


def test_without_any_capacity_it_stops_at_the_progress_deadline_and_says_so() -> None:
    base = setup(Method.RELAUNCH, Planned(Fault.QUOTA, 0.0, 1e9))
    twin = build(replace(base, policy=replace(base.policy, on_failure=OnFailure.STOP)))
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.FAILED
    assert result.reason is not None
    assert "no progress for 900 s" in result.reason
    assert len(twin.witness.serving()) == len(twin.setup.zones)


def test_after_an_alarm_a_place_whose_new_instance_failed_stays_empty_and_a_hand_is_asked_for_at_once() -> None:
    base = setup(Method.RELAUNCH, Planned(Fault.NEVER_HEALTHY, 0.0), Planned(Fault.ALARM, 60.0, 1e9))
    policy = replace(base.policy, on_failure=OnFailure.STOP, max_failures=1)
    no_surge = replace(base.limits, surge=0, floor=4)
    twin = build(replace(base, limits=no_surge, policy=policy, hooked=frozenset({Point.THROUGHOUT})))
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, Result)
    assert (result.exit_code, result.reason) == (ExitCode.NEEDS_A_HAND, "throughout: the alarm is in ALARM")
    assert len(twin.witness.serving()) == len(twin.setup.zones) - 1
    assert twin.world.time.now < base.policy.deadlines.progress
    assert twin.witness.violations == []


def test_a_holder_that_stood_still_past_its_lease_changes_nothing_after_it_was_replaced() -> None:
    twin = build(setup(Method.RELAUNCH, Planned(Fault.HOLDER_PAUSED, 15.0)))
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, str)
    assert result.startswith("LeaseLost")
    assert twin.ends[0] == "succeeded"
    assert twin.witness.violations == []


@pytest.mark.parametrize("method", list(Method))
def test_while_the_state_store_is_down_nothing_is_changed_and_then_the_rollout_goes_on(method: Method) -> None:
    twin = build(setup(method, Planned(Fault.STATE_STORE_DOWN, 10.0, 120.0)))
    counted: list[int] = []
    twin.world.time.after(15.0, lambda: counted.append(twin.witness.changes))
    twin.world.time.after(129.9, lambda: counted.append(twin.witness.changes))
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, Result)
    assert result.status is Status.SUCCEEDED
    assert counted[0] == counted[1]
    assert twin.world.weather.reached[Fault.STATE_STORE_DOWN]
    assert twin.witness.violations == []


def test_a_store_that_does_not_come_back_ends_the_rollout_which_names_the_next_command() -> None:
    base = setup(Method.RELAUNCH)
    twin = build(
        replace(base, faults=(Planned(Fault.STATE_STORE_DOWN, 10.0, base.policy.deadlines.progress + 60.0),))
    )
    twin.mishaps.schedule()
    result = twin.live()
    assert isinstance(result, str)
    assert result.startswith("StoreSilent")
    assert "deployer resume" in result
    twin.world.time.advance(120.0)
    again = twin.live()
    assert isinstance(again, Result)
    assert again.status is Status.SUCCEEDED
    assert twin.witness.violations == []


def test_a_store_that_is_down_holds_nobody_up_who_asks_to_stop() -> None:
    twin = build(setup(Method.RELAUNCH, Planned(Fault.STATE_STORE_DOWN, 10.0, 500.0)))
    twin.mishaps.schedule()
    twin.world.time.after(40.0, lambda: twin.mishaps.stop.ask("SIGINT"))
    result = twin.live()
    assert isinstance(result, str)
    assert result.startswith("StoreSilent")
    assert twin.world.time.now < 60.0
