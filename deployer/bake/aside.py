"""Host work runs beside the loop, so that looks, deadlines and heartbeats go on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

T = TypeVar("T")


class Aside(Protocol):
    """Where one piece of work at a time is run."""

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Starts the work; its future is done when the work is."""
        ...


class Threaded:
    """Each piece of work in a thread that does not keep the process from ending."""

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Starts the work in a thread of its own."""
        future: Future[T] = Future()
        threading.Thread(target=_fulfil, args=(future, work), name="bake-host", daemon=True).start()
        return future


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever asks the future for its result
        future.set_exception(error)
