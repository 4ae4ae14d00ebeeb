"""The balancers' metrics, by the names, dimensions and units of AWS/ApplicationELB, NetworkELB and ELB.

Counts are reported when they are not zero, as AWS does it: an alarm on errors has to say that silence is no
breach. Not reported are the sums by availability zone. [ELB user guides, CloudWatch metrics]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployer.lab.alarms.metrics import Datum, Metrics
from deployer.lab.alarms.records import Metric
from deployer.lab.balancers.counting import Counts, Side
from deployer.lab.balancers.specs import Kind
from deployer.lab.balancers.traffic import Tally

EVERY = 0.5
"""Seconds between two datapoints; a minute on AWS."""
_NAMESPACES = {Kind.APPLICATION: "AWS/ApplicationELB", Kind.NETWORK: "AWS/NetworkELB", Kind.CLASSIC: "AWS/ELB"}


@dataclass(frozen=True)
class Names:
    """What one kind of balancer calls its metrics; `%d` is the first digit of a status."""

    by_targets: str
    by_balancer: str
    waited: str


_NAMES = {
    Kind.APPLICATION: Names("HTTPCode_Target_%dXX_Count", "HTTPCode_ELB_%dXX_Count", "TargetResponseTime"),
    Kind.CLASSIC: Names("HTTPCode_Backend_%dXX", "HTTPCode_ELB_%dXX", "Latency"),
}


@dataclass
class BalancerMetrics:
    """Publishes what `counted` says since the last time, in the middle of the time that it stands for."""

    counted: Callable[[], Counts]
    _last: float | None = field(default=None, init=False)

    def __call__(self, metrics: Metrics, now: float) -> None:
        """Publishes, unless it did so a moment ago."""
        if self._last is not None and now - self._last < EVERY:
            return
        at = now if self._last is None else (self._last + now) / 2
        self._last = now
        counts = self.counted()
        for side, tally in _with_totals(counts.answered).items():
            _requests(metrics, at, side, tally)
        healthy = {side.group or side.balancer: number for side, (number, _) in counts.hosts}
        for side, tally in _by_group(counts.answered).items():
            targets = healthy.get(side.group, 0)
            if targets:
                each = {tally.requests / targets: 1.0}
                metrics.put(_metric(side, "RequestCountPerTarget", group_alone=True), Datum.of(at, each, "Count"))
        for side, (well, sick) in counts.hosts:
            metrics.put(_metric(side, "HealthyHostCount"), Datum.of(at, {float(well): 1.0}, "Count"))
            metrics.put(_metric(side, "UnHealthyHostCount"), Datum.of(at, {float(sick): 1.0}, "Count"))


def _with_totals(answered: tuple[tuple[Side, Tally], ...]) -> dict[Side, Tally]:
    """What is reported by target group and balancer, and by balancer alone."""
    found: dict[Side, Tally] = {}
    for side, tally in answered:
        for one in {side, Side(side.kind, side.balancer)}:
            found.setdefault(one, Tally()).add(tally)
    return found


def _by_group(answered: tuple[tuple[Side, Tally], ...]) -> dict[Side, Tally]:
    found: dict[Side, Tally] = {}
    for side, tally in answered:
        if side.group:
            found.setdefault(side, Tally()).add(tally)
    return found


def _requests(metrics: Metrics, at: float, side: Side, tally: Tally) -> None:
    names = _NAMES.get(side.kind)
    if names is None:
        return
    numbers: dict[str, int] = {"RequestCount": tally.requests}
    numbers |= {names.by_targets % digit: count for digit, count in _by_digit(tally.by_targets).items()}
    if not side.group:
        # The balancer's own answers are nobody's in particular, also where a target was asked in vain.
        numbers |= {names.by_balancer % digit: count for digit, count in _by_digit(tally.by_balancer).items()}
        if side.kind is Kind.APPLICATION:
            exact = {status: count for status, count in tally.by_balancer.items() if status in (500, 502, 503, 504)}
            numbers |= {f"HTTPCode_ELB_{status}_Count": count for status, count in exact.items()}
    for name, count in numbers.items():
        if count:
            metrics.put(_metric(side, name), Datum.of(at, {1.0: float(count)}, "Count"))
    if tally.waited:
        waited = {seconds: float(times) for seconds, times in tally.waited.items()}
        metrics.put(_metric(side, names.waited), Datum.of(at, waited, "Seconds"))


def _by_digit(statuses: Counter[int]) -> Mapping[int, int]:
    found: Counter[int] = Counter()
    for status, count in statuses.items():
        found[status // 100] += count
    return found


def _metric(side: Side, name: str, *, group_alone: bool = False) -> Metric:
    if side.kind is Kind.CLASSIC:
        pairs = {("LoadBalancerName", side.balancer)}
    elif group_alone:
        pairs = {("TargetGroup", side.group)}
    else:
        pairs = {("LoadBalancer", side.balancer)} | ({("TargetGroup", side.group)} if side.group else set())
    return Metric(_NAMESPACES[side.kind], name, frozenset(pairs))
