"""Health checks: what is asked of a target, and what an answer means. No I/O here; see `probe`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SHORTEST_TIMEOUT = 2.0
"""A scaled timeout never falls below this many seconds: a busy machine is not a sick target."""


class ProbeResult(Enum):
    """How one check of one target ended."""

    PASSED = "passed"
    WRONG_CODE = "wrong code"
    TIMED_OUT = "timed out"
    REFUSED = "refused"
    """No connection, or one that ended without an answer."""


@dataclass(frozen=True)
class Probe:
    """The outcome of one check; `code` is the HTTP status where there was one."""

    result: ProbeResult
    code: int | None = None

    @property
    def passed(self) -> bool:
        return self.result is ProbeResult.PASSED


PASSED = Probe(ProbeResult.PASSED)


@dataclass(frozen=True)
class Matcher:
    """The HTTP codes that pass, as ranges with both ends included (`200,202`, `200-299`)."""

    ranges: tuple[tuple[int, int], ...] = ((200, 200),)

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """Reads ELBv2's `HttpCode`; raises ValueError for anything that is not codes and ranges."""
        ranges = []
        for part in text.split(","):
            low, _, high = part.strip().partition("-")
            ranges.append((int(low), int(high or low)))
        return cls(tuple(ranges))

    def accepts(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges)


@dataclass(frozen=True)
class HealthCheck:
    """A health check as the API shows it; durations in seconds, unscaled."""

    protocol: str = "HTTP"
    """`HTTP` or `TCP`; HTTPS and TLS are checked as a TCP connection (the lab has no certificates)."""
    port: int | None = None
    """None: the port the target takes its traffic on."""
    path: str = "/"
    interval: float = 30.0
    timeout: float = 5.0
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: Matcher = Matcher()
    enabled: bool = True
    first_pass_is_enough: bool = True
    """An ALB takes a new target in after one passing check; NLB and classic ask for the threshold."""

    def scaled_interval(self, scale: float) -> float:
        """Seconds between two checks in a lab whose `health_scale` is `scale`."""
        return self.interval * scale

    def scaled_timeout(self, scale: float) -> float:
        """Seconds a check may take in a lab whose `health_scale` is `scale`."""
        return max(self.timeout * scale, min(self.timeout, SHORTEST_TIMEOUT))
