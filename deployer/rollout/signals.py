"""Signals: the first asks a rollout to stop, the second to stop at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deployer.engine.clock import StopRequest


@contextmanager
def heeding_signals(stop: StopRequest) -> Iterator[None]:
    """While it lasts, SIGINT and SIGTERM go to the rollout instead of ending the process."""

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.ask(signal.Signals(number).name)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
