"""One target of a balancer as a state machine: pure, with the time as an argument.

A target has two lives that must not be confused: what the API says about it (`health`), which
changes the moment a call is answered, and whether the balancer sends it requests (`open`), which
lags behind as it does on AWS. Times are seconds on one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from deployer.lab.balancers.health import HealthCheck, Probe, ProbeResult
from deployer.lab.context import Power


@dataclass(frozen=True, order=True)
class TargetKey:
    """What names a target within its group: the same instance may be in it on several ports."""

    id: str
    port: int


class State(Enum):
    """ELBv2's target states (botocore: TargetHealthStateEnum)."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNHEALTHY_DRAINING = "unhealthy.draining"
    UNUSED = "unused"
    DRAINING = "draining"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Health:
    """What DescribeTargetHealth says of one target; AWS leaves the reason out when it is healthy."""

    state: State
    reason: str | None = None
    description: str | None = None


HEALTHY = Health(State.HEALTHY)
DRAINING = Health(State.DRAINING, "Target.DeregistrationInProgress", "Target deregistration is in progress")
REGISTERING = Health(State.INITIAL, "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = Health(State.INITIAL, "Elb.InitialHealthChecking", "Initial health checks in progress")
UNCHECKED = Health(
    State.UNAVAILABLE, "Target.HealthCheckDisabled", "Health checks are disabled for this target group"
)
NOT_REGISTERED = Health(State.UNUSED, "Target.NotRegistered", "Target is not registered to the target group")
NO_BALANCER = Health(
    State.UNUSED,
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)
ZONE_NOT_ENABLED = Health(
    State.UNUSED,
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
)


def not_running(power: Power) -> Health:
    """The health of a target whose instance is on its way down, or down."""
    ended = power in (Power.SHUTTING_DOWN, Power.TERMINATED)
    return Health(
        State.UNUSED,
        "Target.InvalidState",
        f"Target is in the {'terminated' if ended else 'stopped'} state",
    )


class Verdict(Enum):
    """What the health checks have established so far."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True)
class Lags:
    """How long the balancer needs to act on a call, in seconds."""

    registration: float = 0.5
    deregistration: float = 1.0


@dataclass(frozen=True)
class Target:
    """A registered target, or one that is being deregistered."""

    key: TargetKey
    opens_at: float
    """From here on the balancer knows the target: it checks it, and may send it requests."""
    verdict: Verdict = Verdict.UNKNOWN
    passes: int = 0
    failures: int = 0
    last_failure: Probe | None = None
    sick_since: float | None = None
    closes_at: float | None = None
    """After a deregistration: from here on the balancer sends no new requests."""
    gone_at: float | None = None
    """After a deregistration: the end of the deregistration delay."""
    down_at: float | None = None
    """When the instance was first seen not running."""
    drained: bool = field(default=False)
    """Closed, and nothing is in flight any more (or the delay has run out)."""

    @classmethod
    def registered(cls, key: TargetKey, now: float, lags: Lags) -> Target:
        """A target as it is right after RegisterTargets."""
        return cls(key=key, opens_at=now + lags.registration)

    def deregistered(self, now: float, delay: float, lags: Lags) -> Target:
        """The target right after DeregisterTargets; one that is draining already keeps its times."""
        if self.draining:
            return self
        return replace(self, closes_at=now + lags.deregistration, gone_at=now + delay)

    @property
    def draining(self) -> bool:
        return self.gone_at is not None

    def closed(self, now: float) -> bool:
        """Whether the balancer has heard of the deregistration."""
        return self.closes_at is not None and now >= self.closes_at

    def expired(self, now: float) -> bool:
        """Whether the deregistration delay is over: the target is no longer listed."""
        return self.gone_at is not None and now >= self.gone_at

    def cut_due(self, now: float) -> bool:
        """Whether what is still in flight has to end now."""
        return self.expired(now) and self.closed(now)

    def open(self, now: float) -> bool:
        """Whether the balancer considers the target for new requests, health aside."""
        return now >= self.opens_at and not self.closed(now)

    def powered(self, running: bool, now: float, lags: Lags) -> Target:
        """Takes note of the instance's power; a restarted instance starts its checks from nothing."""
        if running:
            if self.down_at is None:
                return self
            fresh = Target.registered(self.key, now, lags)
            return replace(fresh, closes_at=self.closes_at, gone_at=self.gone_at)
        return self if self.down_at is not None else replace(self, down_at=now)

    def reachable(self, now: float, lags: Lags) -> bool:
        """Whether the balancer still believes in the instance: it hears late that one is gone."""
        return self.down_at is None or now < self.down_at + lags.deregistration

    def checked(self, probe: Probe, check: HealthCheck, now: float) -> Target:
        """Takes in the outcome of one health check."""
        if probe.passed:
            return self._after_pass(check)
        failures = self.failures + 1
        failed = replace(self, passes=0, failures=failures, last_failure=probe)
        if self.verdict is not Verdict.UNHEALTHY and failures >= check.unhealthy_threshold:
            return replace(failed, verdict=Verdict.UNHEALTHY, sick_since=now)
        return failed

    def _after_pass(self, check: HealthCheck) -> Target:
        passes = self.passes + 1
        first = self.verdict is Verdict.UNKNOWN and check.first_pass_is_enough
        passed = replace(self, passes=passes, failures=0)
        if self.verdict is not Verdict.HEALTHY and (first or passes >= check.healthy_threshold):
            return replace(passed, verdict=Verdict.HEALTHY, sick_since=None, last_failure=None)
        return passed

    def health(self, now: float, check: HealthCheck, unhealthy_drain: float = 0.0) -> Health:
        """What the API says of a target that is in use; `unhealthy_drain` is an NLB's grace in seconds."""
        if self.draining:
            return DRAINING
        if not check.enabled:
            return UNCHECKED
        if now < self.opens_at:
            return REGISTERING
        match self.verdict:
            case Verdict.UNKNOWN:
                return CHECKING
            case Verdict.HEALTHY:
                return HEALTHY
            case Verdict.UNHEALTHY:
                return self._sick(now, unhealthy_drain)

    def _sick(self, now: float, unhealthy_drain: float) -> Health:
        state = State.UNHEALTHY
        if self.sick_since is not None and now < self.sick_since + unhealthy_drain:
            state = State.UNHEALTHY_DRAINING
        match self.last_failure:
            case Probe(ProbeResult.WRONG_CODE, code):
                text = f"Health checks failed with these codes: [{code}]"
                return Health(state, "Target.ResponseCodeMismatch", text)
            case Probe(ProbeResult.TIMED_OUT):
                return Health(state, "Target.Timeout", "Request timed out")
            case _:
                return Health(state, "Target.FailedHealthChecks", "Health checks failed")
