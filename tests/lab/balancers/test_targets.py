"""The target state machine, by example and by law."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.lab.balancers.health import PASSED, HealthCheck, Matcher, Probe, ProbeResult
from deployer.lab.balancers.targets import (
    CHECKING,
    DRAINING,
    HEALTHY,
    REGISTERING,
    Lags,
    State,
    Target,
    TargetKey,
    Verdict,
)

KEY = TargetKey("i-1", 8080)
LAGS = Lags(registration=0.5, deregistration=1.0)
REFUSED = Probe(ProbeResult.REFUSED)
ALB = HealthCheck(healthy_threshold=3, unhealthy_threshold=2)
CLASSIC = HealthCheck(healthy_threshold=3, unhealthy_threshold=2, first_pass_is_enough=False)

probes = st.sampled_from([PASSED, REFUSED])
histories = st.lists(probes, max_size=40)
checks = st.builds(
    HealthCheck,
    healthy_threshold=st.integers(2, 10),
    unhealthy_threshold=st.integers(2, 10),
    first_pass_is_enough=st.booleans(),
)


def after(history: list[Probe], check: HealthCheck) -> Target:
    target = Target.registered(KEY, 0.0, LAGS)
    for moment, probe in enumerate(history):
        target = target.checked(probe, check, 1.0 + moment)
    return target


def test_a_new_target_is_first_registered_then_checked_then_healthy() -> None:
    target = Target.registered(KEY, 10.0, LAGS)
    assert target.health(10.4, ALB) == REGISTERING
    assert not target.open(10.4)
    assert target.health(10.5, ALB) == CHECKING
    assert target.open(10.5)
    assert target.checked(PASSED, ALB, 11.0).health(11.0, ALB) == HEALTHY


def test_a_deregistered_target_drains_at_once_and_closes_after_the_lag() -> None:
    target = after([PASSED], ALB).deregistered(10.0, 300.0, LAGS)
    assert target.health(10.0, ALB) == DRAINING
    assert target.open(10.9)
    assert not target.open(11.0)
    assert not target.expired(309.9)
    assert target.expired(310.0)


def test_deregistering_twice_does_not_lengthen_the_delay() -> None:
    once = after([PASSED], ALB).deregistered(10.0, 300.0, LAGS)
    assert once.deregistered(200.0, 300.0, LAGS) == once


def test_without_a_delay_what_is_in_flight_ends_only_when_the_balancer_has_heard() -> None:
    target = after([PASSED], ALB).deregistered(10.0, 0.0, LAGS)
    assert target.expired(10.0)
    assert not target.cut_due(10.5)
    assert target.cut_due(11.0)


@pytest.mark.parametrize(
    ("probe", "reason", "text"),
    [
        (
            Probe(ProbeResult.WRONG_CODE, 503),
            "Target.ResponseCodeMismatch",
            "Health checks failed with these codes: [503]",
        ),
        (Probe(ProbeResult.TIMED_OUT), "Target.Timeout", "Request timed out"),
        (REFUSED, "Target.FailedHealthChecks", "Health checks failed"),
    ],
)
def test_an_unhealthy_target_says_why(probe: Probe, reason: str, text: str) -> None:
    health = after([probe, probe], ALB).health(9.0, ALB)
    assert (health.state, health.reason, health.description) == (State.UNHEALTHY, reason, text)


def test_an_unhealthy_target_may_be_given_time_to_drain() -> None:
    target = after([REFUSED, REFUSED], ALB)
    assert target.health(3.0, ALB, unhealthy_drain=5.0).state is State.UNHEALTHY_DRAINING
    assert target.health(8.0, ALB, unhealthy_drain=5.0).state is State.UNHEALTHY


def test_a_stopped_instance_is_believed_in_for_the_lag_and_starts_anew() -> None:
    stopped = after([PASSED], ALB).powered(False, 10.0, LAGS)
    assert stopped.reachable(10.9, LAGS)
    assert not stopped.reachable(11.0, LAGS)
    started = stopped.powered(True, 20.0, LAGS)
    assert started.health(20.5, ALB) == CHECKING


@given(histories, checks)
def test_only_enough_passes_in_a_row_make_healthy(history: list[Probe], check: HealthCheck) -> None:
    """A plain restatement: the verdict follows from runs of equal outcomes."""
    verdict = Verdict.UNKNOWN
    run, last = 0, None
    for probe in history:
        run = run + 1 if probe == last else 1
        last = probe
        first = verdict is Verdict.UNKNOWN and check.first_pass_is_enough
        if probe.passed and (first or run >= check.healthy_threshold):
            verdict = Verdict.HEALTHY
        elif not probe.passed and run >= check.unhealthy_threshold:
            verdict = Verdict.UNHEALTHY
    assert after(history, check).verdict is verdict


@given(histories)
def test_a_classic_instance_is_never_in_service_before_the_threshold(history: list[Probe]) -> None:
    if sum(probe.passed for probe in history) < CLASSIC.healthy_threshold:
        assert after(history, CLASSIC).verdict is not Verdict.HEALTHY


@given(
    history=histories,
    at=st.floats(50, 100),
    delay=st.floats(0, 3600),
    later=st.floats(0, 4000),
)
def test_a_closed_target_never_opens_again(history: list[Probe], at: float, delay: float, later: float) -> None:
    target = after(history, ALB).deregistered(at, delay, LAGS)
    assert target.open(at)
    if later > LAGS.deregistration + 1e-6:
        assert not target.open(at + later)
    if target.cut_due(at + later):
        assert not target.open(at + later)


@given(histories, st.floats(0, 100))
def test_draining_hides_every_other_state(history: list[Probe], at: float) -> None:
    assert after(history, ALB).deregistered(at, 300.0, LAGS).health(at, ALB) == DRAINING


def test_a_matcher_reads_codes_and_ranges() -> None:
    matcher = Matcher.parse("200,202,300-399")
    assert [code for code in (200, 201, 202, 299, 300, 399, 400) if matcher.accepts(code)] == [
        200,
        202,
        300,
        399,
    ]


def test_scaling_shortens_the_interval_but_never_the_timeout_to_nothing() -> None:
    check = HealthCheck(interval=5, timeout=2)
    assert check.scaled_interval(0.2) == 1.0
    assert check.scaled_timeout(0.2) == 2.0
    assert HealthCheck(interval=30, timeout=20).scaled_timeout(0.2) == 4.0
