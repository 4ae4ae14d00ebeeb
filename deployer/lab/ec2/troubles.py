"""What may go wrong inside EC2 on order: snapshots that fail, images that hang or fail, machines that break.

These are faults of the service itself; those of the way to it are in `deployer.lab.faults`.
"""

from __future__ import annotations

import threading
from collections import Counter
from enum import Enum


class Trouble(Enum):
    """One kind of trouble; the next thing of its kind meets it."""

    SNAPSHOT_ERROR = "snapshot-error"
    """A snapshot ends in state `error`."""
    IMAGE_STUCK = "image-stuck"
    """An image stays `pending` for ever."""
    IMAGE_FAILED = "image-failed"
    """An image ends in state `failed`."""
    LAUNCH_FAILED = "launch-failed"
    """An instance goes from pending to terminated, with the reason Server.InternalError."""


class Troubles:
    """The troubles on order, each so many times."""

    def __init__(self) -> None:
        self._left: Counter[Trouble] = Counter()
        self._lock = threading.Lock()

    def order(self, trouble: Trouble, count: int = 1) -> None:
        """Adds `count` of them."""
        with self._lock:
            self._left[trouble] += count

    def clear(self) -> None:
        """Takes all back."""
        with self._lock:
            self._left.clear()

    def take(self, trouble: Trouble) -> bool:
        """Whether one was on order; it is used up."""
        with self._lock:
            if self._left[trouble] <= 0:
                return False
            self._left[trouble] -= 1
            return True
