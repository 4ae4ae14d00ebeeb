"""Virtual time: a queue of events, and nothing happens between them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

Action = Callable[[], None]
T = TypeVar("T")

EPOCH = 1_750_000_000.0
"""What the wall clock shows when a world begins, Unix seconds."""


@dataclass
class VirtualTime:
    """Monotonic seconds from the beginning of a world. `after_event` is called after each event that happened."""

    now: float = 0.0
    wall_offset: float = EPOCH
    after_event: Action | None = None
    changes: int = 0
    """Counts what has changed in the world, so that nobody looks again where nothing has."""
    _queue: list[tuple[float, int, Action]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def after(self, seconds: float, action: Action) -> None:
        """Has something happen in `seconds`."""
        heapq.heappush(self._queue, (self.now + max(0.0, seconds), next(self._order), action))

    def advance(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Lets time pass and what is due happen in its order; stops early once `until` says so."""
        end = self.now + seconds
        while self._queue and self._queue[0][0] <= end:
            at, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            action()
            if self.after_event is not None:
                self.after_event()
            if until is not None and until():
                return
        self.now = max(self.now, end)


class History(Generic[T]):
    """A value with its past, so that an answer can show how it was a moment ago."""

    __slots__ = ("_entries",)

    def __init__(self, at: float, value: T) -> None:
        self._entries: list[tuple[float, T]] = [(at, value)]

    @property
    def latest(self) -> T:
        """The value as it is."""
        return self._entries[-1][1]

    def put(self, at: float, value: T) -> None:
        """Changes the value from `at` on."""
        if self._entries[-1][0] == at:
            self._entries[-1] = (at, value)
        else:
            self._entries.append((at, value))

    def held_since(self, at: float, holds: Callable[[T], bool]) -> float | None:
        """Since when something had held without a break at `at`; None when it did not hold then."""
        began = None
        for since, value in reversed(self._entries):
            if since > at:
                continue
            if not holds(value):
                break
            began = since
        return began

    def seen(self, at: float) -> T:
        """The value as it was at `at`, or as it was first."""
        for since, value in reversed(self._entries):
            if since <= at:
                return value
        return self._entries[0][1]
