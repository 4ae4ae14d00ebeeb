"""Datapoints, and statistics over them. Times are seconds since the epoch."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deployer.lab.alarms.records import Metric

MOST_KEPT = 20_000
"""Datapoints that are kept of one metric; the oldest go first."""
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
PLAIN = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True)
class Datum:
    """What PutMetricData puts at one moment: a set of values, or only their summary."""

    at: float
    count: float
    total: float
    least: float
    most: float
    values: Mapping[float, float] | None = None
    """Value → how often; None where only the summary is known, which has no percentiles."""
    unit: str = "None"

    @classmethod
    def of(cls, at: float, values: Mapping[float, float], unit: str = "None") -> Datum:
        """From values and how often each was seen."""
        count = sum(values.values())
        total = sum(value * times for value, times in values.items())
        return cls(at, count, total, min(values), max(values), dict(values), unit)


def is_statistic(name: str) -> bool:
    """Whether the lab can compute a statistic: the five plain ones and percentiles."""
    return name in PLAIN or _PERCENTILE.fullmatch(name) is not None


def statistic(data: Iterable[Datum], name: str) -> float | None:
    """One statistic over datapoints; None without any, and for a percentile of bare summaries."""
    found = list(data)
    count = sum(one.count for one in found)
    if not found or not count:
        return None
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return sum(one.total for one in found)
        case "Average":
            return sum(one.total for one in found) / count
        case "Minimum":
            return min(one.least for one in found)
        case "Maximum":
            return max(one.most for one in found)
        case _:
            return _percentile(found, float(name.removeprefix("p")))


def _percentile(data: list[Datum], percent: float) -> float | None:
    """The value at the nearest rank: AWS interpolates, which matters for few values only."""
    times: dict[float, float] = {}
    for one in data:
        values = one.values
        if values is None:
            if one.least != one.most:
                return None
            values = {one.least: one.count}
        for value, often in values.items():
            times[value] = times.get(value, 0.0) + often
    rank = max(1, math.ceil(sum(times.values()) * percent / 100))
    seen = 0.0
    for value in sorted(times):
        seen += times[value]
        if seen >= rank:
            return value
    return max(times)


@dataclass
class Metrics:
    """All datapoints of one region, by metric, in the order of their times."""

    _kept: dict[Metric, list[Datum]] = field(default_factory=dict)

    def put(self, metric: Metric, datum: Datum) -> None:
        """Adds a datapoint."""
        kept = self._kept.setdefault(metric, [])
        bisect.insort(kept, datum, key=lambda one: one.at)
        if len(kept) > MOST_KEPT:
            del kept[: len(kept) - MOST_KEPT]

    def between(self, metric: Metric, start: float, end: float, unit: str | None = None) -> list[Datum]:
        """What was put from `start` up to, but not at, `end`."""
        kept = self._kept.get(metric, [])
        first = bisect.bisect_left(kept, start, key=lambda one: one.at)
        last = bisect.bisect_left(kept, end, key=lambda one: one.at)
        return [one for one in kept[first:last] if unit is None or one.unit == unit]

    def names(self) -> list[Metric]:
        """Every metric that has data."""
        return list(self._kept)
