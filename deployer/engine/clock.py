"""The real clock, whose sleep ends early when the process is asked to stop."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.model.policy import STOPS_WITHIN


@dataclass
class StopRequest:
    """Whether, and how often, somebody asked the rollout to stop; safe to set from a signal handler.

    After a signal it ends within `within` seconds, however far it has come. A request to pause may take its time.
    `now` gives monotonic seconds.
    """

    within: float = STOPS_WITHIN
    now: Callable[[], float] = time.monotonic
    count: int = 0
    signal: str = ""
    ends_at: float = math.inf
    _event: threading.Event = field(default_factory=threading.Event)

    def ask(self, signal: str, *, hurry: bool = True) -> None:
        """Notes one request to stop (`SIGINT`, `SIGTERM`) and ends any sleep; `hurry` sets the time to end in."""
        self.count += 1
        self.signal = self.signal or signal
        if hurry:
            self.ends_at = min(self.ends_at, self.now() + self.within)
        self._event.set()

    @property
    def left(self) -> float:
        """Seconds until the time for an orderly end is over; infinite while nobody is in a hurry."""
        return 0.0 if self.count >= 2 else max(self.ends_at - self.now(), 0.0)

    @property
    def urgent(self) -> bool:
        """Whether nothing may be waited for any more: asked twice, or the time for an orderly end is over."""
        return self.left <= 0.0

    def wait(self, seconds: float) -> None:
        """Sleeps, or returns at once when a stop was asked for since the last sleep."""
        self._event.wait(seconds)
        self._event.clear()


@dataclass(frozen=True)
class RealClock:
    """Time as it passes. Deadlines use the monotonic clock, so that a jump of the wall clock moves none."""

    stop: StopRequest = field(default_factory=StopRequest)

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleeps, or returns early when a stop is asked for."""
        self.stop.wait(seconds)
