"""A bounded pool of threads: tasks in, reports out; a task that is under way already is not queued again."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")


class Pool(Generic[T, R]):
    """Runs `work` for each task in one of at most `size` threads. Threads are started as they are needed.

    `work` must turn every failure into a report; what it lets out ends up in the report of `failed`.
    """

    def __init__(
        self, size: int, work: Callable[[T], R], failed: Callable[[T, Exception], R], name: str = "hosts"
    ) -> None:
        self._size = size
        self._work = work
        self._failed = failed
        self._name = name
        self._waiting: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._guard = threading.Condition()
        self._pending: set[T] = set()
        self._finished: list[R] = []
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, task: T) -> bool:
        """Queues a task and returns at once; False when an equal one is queued or running, or after `close`."""
        with self._guard:
            if self._closed or task in self._pending:
                return False
            self._pending.add(task)
            if len(self._threads) < min(self._size, len(self._pending)):
                # Daemons: what hangs on a dead host must not keep the process from ending.
                name = f"{self._name}-{len(self._threads)}"
                thread = threading.Thread(target=self._serve, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._waiting.put(task)
        return True

    def reports(self) -> Sequence[R]:
        """What has finished since the last call."""
        with self._guard:
            finished, self._finished = self._finished, []
        return tuple(finished)

    def pending(self) -> frozenset[T]:
        """The tasks that are queued or running."""
        with self._guard:
            return frozenset(self._pending)

    def close(self, patience: float) -> bool:
        """Takes no more tasks, drops those that have not begun, and waits for the others.

        Returns whether all had ended within `patience` seconds.
        """
        with self._guard:
            self._closed = True
            self._drop_waiting()
            for _thread in self._threads:
                self._waiting.put(None)
            end = time.monotonic() + patience
            return self._guard.wait_for(lambda: not self._pending, max(0.0, end - time.monotonic()))

    def _drop_waiting(self) -> None:
        try:
            while True:
                task = self._waiting.get_nowait()
                if task is not None:
                    self._pending.discard(task)
        except queue.Empty:
            return

    def _serve(self) -> None:
        while (task := self._waiting.get()) is not None:
            try:
                report = self._work(task)
            except Exception as problem:  # noqa: BLE001 - a lost report would leave its instance busy for ever
                report = self._failed(task, problem)
            with self._guard:
                self._pending.discard(task)
                self._finished.append(report)
                self._guard.notify_all()
