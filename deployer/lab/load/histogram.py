"""Percentiles of any number of durations in little memory."""

from __future__ import annotations

import math
from collections import Counter

_STEP = math.log(1.01)
_SMALLEST = 1e-6


class Histogram:
    """Durations in seconds, sorted into buckets 1 % apart; the largest is kept exactly."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.max = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration; what is under a microsecond counts as one."""
        seconds = max(seconds, _SMALLEST)
        self._buckets[math.ceil(math.log(seconds / _SMALLEST) / _STEP)] += 1
        self.count += 1
        self.max = max(self.max, seconds)

    def percentile(self, percent: float) -> float:
        """The duration, in seconds and at most 1 % too high, that `percent` of all do not exceed.

        0.0 while nothing was counted.
        """
        rank = math.ceil(self.count * percent / 100)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(_SMALLEST * math.exp(bucket * _STEP), self.max)
        return 0.0
