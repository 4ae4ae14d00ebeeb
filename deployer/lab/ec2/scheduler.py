"""Does things later and elsewhere: one thread keeps the time, a bounded pool does the work."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

Task = Callable[[], None]


class Scheduler:
    """Runs tasks after a delay, in threads of its own, until it is closed."""

    def __init__(self, workers: int = 32, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, str, Task]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="lab-ec2")
        self._keeper = threading.Thread(target=self._keep_time, name="lab-ec2-time", daemon=True)
        self._keeper.start()

    def after(self, delay: float, what: str, task: Task) -> None:
        """Runs `task` in `delay` seconds; `what` names it in the log if it fails. Nothing after `close`."""
        with self._changed:
            if self._closed:
                return
            heapq.heappush(self._due, (self._clock() + max(delay, 0.0), next(self._order), what, task))
            self._changed.notify()

    def close(self) -> None:
        """Forgets what is not due yet, and returns when what runs has ended."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()
        self._keeper.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _keep_time(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                wait = self._due[0][0] - self._clock() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                _, _, what, task = heapq.heappop(self._due)
                self._pool.submit(_run, what, task)


def _run(what: str, task: Task) -> None:
    try:
        task()
    except Exception:
        # A task has nobody to raise to; one that fails must not be lost without a word.
        logger.exception("the lab's EC2 service could not %s", what)
