"""How a worker stands to the queues that it fetches its work from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Work(Enum):
    """Host work that runs, or has ended, on an instance."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Order(Enum):
    """What a worker was told last about the work in its queues."""

    STOP = "take no more work"
    TAKE = "take work again"


@dataclass(frozen=True)
class Share:
    """How a worker stands to its queues. Times are monotonic seconds.

    `order` is what it was told last, None from when it is known to take work again, or was never told; `order_work`
    is how telling it stands, which was begun or ended last at `order_at`.
    """

    order: Order | None = None
    order_work: Work = Work.NONE
    order_at: float = 0.0
    detail: str = ""
    """Why it could not be told."""
    asked_since: float | None = None
    """When it was first told to take no more, whether that came about or not."""
    told_since: float | None = None
    """Since when it is known to take no more."""
    jobs: int | None = None
    """How many jobs it has, by its own word; None while that is not known."""
    idle_since: float | None = None
    """When it first said, after it was told, that it has none: unbroken until `idle_until`."""
    idle_until: float | None = None

    def idle_for(self) -> float:
        """How long it has had no job, as far as it was asked; below zero where that is not known."""
        if self.jobs != 0 or self.idle_since is None or self.idle_until is None:
            return -1.0
        return self.idle_until - self.idle_since


NEVER_TOLD = Share()
"""Of one that takes work as it came up."""
