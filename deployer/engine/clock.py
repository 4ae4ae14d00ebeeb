"""The real clock, whose sleep ends early when the process is asked to stop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass
class StopRequest:
    """Whether, and how often, somebody asked the rollout to stop; safe to set from a signal handler."""

    count: int = 0
    signal: str = ""
    _event: threading.Event = field(default_factory=threading.Event)

    def ask(self, signal: str) -> None:
        """Notes one request to stop (`SIGINT`, `SIGTERM`) and ends any sleep."""
        self.count += 1
        self.signal = self.signal or signal
        self._event.set()

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
