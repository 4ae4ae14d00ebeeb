"""Counts what became of the requests, and says whether the count can be trusted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from deployer.lab.load.histogram import Histogram
from deployer.lab.load.outcome import Failure, Outcome
from deployer.lab.load.schedule import Request

LONGEST_STANDSTILL = 1.0
"""Seconds by which a request may be sent late. An outage shorter than the worst lag would not be seen."""
USUAL_LAG = 0.25
"""Seconds that 99 % of the requests may be sent late."""
_SHOWN_FAILURES = 20
UNMARKED = "unmarked"
"""Instead of a release, for an answer that names none."""


@dataclass
class Tally:
    """The books of one run."""

    rate: float
    """Requests per second that were asked for."""
    shape: str | None = None
    """The one shape of traffic that was sent, or None for the usual mix."""
    buckets: Counter[str] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    instances: Counter[str] = field(default_factory=Counter)
    sick_releases: Counter[str] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)
    latency: Histogram = field(default_factory=Histogram)
    lag: Histogram = field(default_factory=Histogram)
    sent: int = 0
    slow: int = 0
    seconds: float = 0.0
    first_failures: list[dict[str, object]] = field(default_factory=list)

    def fired(self, request: Request, late: float) -> None:
        """A request was sent `late` seconds after its time."""
        self.sent += 1
        self.slow += request.slow > 0
        self.lag.add(late)

    def add(self, request: Request, outcome: Outcome, latency: float, *, reused: bool) -> None:
        """Takes down one request's outcome; `latency` is in seconds, from the time it was meant to be sent."""
        self.buckets[outcome.bucket] += 1
        self.connections["reused" if reused else "new"] += 1
        self.latency.add(latency - request.slow)
        if outcome.answer is not None:
            self._attribute(outcome)
        if not outcome.ok and len(self.first_failures) < _SHOWN_FAILURES:
            answer = outcome.answer
            self.first_failures.append(
                {
                    "at": round(request.at, 2),
                    "path": request.path,
                    "failure": outcome.bucket,
                    "reused_connection": reused,
                    "instance": answer.instance if answer else None,
                }
            )

    def _attribute(self, outcome: Outcome) -> None:
        answer = outcome.answer
        if answer is None:
            return
        if outcome.ok:
            self.releases[answer.release or UNMARKED] += 1
            if answer.instance:
                self.instances[answer.instance] += 1
        elif answer.release:
            # The application itself answered: its own sickness, not a request lost on the way.
            self.sick_releases[answer.release] += 1

    @property
    def failed(self) -> int:
        """Requests that ended in any way but a whole 2xx answer."""
        return sum(self.buckets.values()) - self.buckets["ok"]

    @property
    def rate_sent(self) -> float:
        """Requests per second that really left."""
        return self.sent / self.seconds if self.seconds > 0 else 0.0

    def doubt(self) -> str | None:
        """Why the numbers prove nothing, or None when they can be trusted."""
        if self.sent == 0:
            return "no request was sent"
        if self.buckets[Failure.LOCAL.value]:
            return f"this machine ran out of descriptors or ports {self.buckets[Failure.LOCAL.value]} times"
        if self.lag.max > LONGEST_STANDSTILL:
            return (
                f"the load generator stood still for {self.lag.max:.1f} s (at most {LONGEST_STANDSTILL:g} s is "
                "allowed): a shorter outage would not have been seen; try again on a machine with less to do"
            )
        usual = self.lag.percentile(99)
        if usual > USUAL_LAG:
            return (
                f"1 % of the requests left {usual * 1000:.0f} ms late or later (at most "
                f"{USUAL_LAG * 1000:.0f} ms is allowed): this machine is too busy; ask for a lower --rate"
            )
        return None

    def document(self) -> dict[str, object]:
        """The `requests` part of the result document. Latency counts from the intended time of sending."""
        reason = self.doubt()
        failures = {name: n for name, n in sorted(self.buckets.items()) if name != "ok" and n}
        shape = {} if self.shape is None else {"shape": self.shape}
        # What no answer has named is not known, and so not printed.
        named = {
            "by_release": dict(sorted(self.releases.items())),
            "failed_by_release": dict(sorted(self.sick_releases.items())),
        }
        return {
            **shape,
            "sent": self.sent,
            "ok": self.buckets["ok"],
            "failed": self.failed,
            "failures": failures,
            **(named if set(self.releases) != {UNMARKED} or self.sick_releases else {}),
            "by_instance": dict(sorted(self.instances.items())),
            "slow": self.slow,
            "connections": {"new": self.connections["new"], "reused": self.connections["reused"]},
            "seconds": round(self.seconds, 2),
            "rate": {"asked": self.rate, "sent": round(self.rate_sent, 1)},
            "latency_ms": _summary(self.latency, (50, 95, 99)),
            "lag_ms": _summary(self.lag, (50, 99)),
            "first_failures": self.first_failures,
            "trustworthy": reason is None,
            "reason": reason,
        }


def _summary(histogram: Histogram, percents: tuple[int, ...]) -> dict[str, float]:
    values = {f"p{percent}": histogram.percentile(percent) for percent in percents}
    return {name: round(seconds * 1000, 2) for name, seconds in {**values, "max": histogram.max}.items()}
