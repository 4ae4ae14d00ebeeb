"""Waiting for the state store, as the loop waits for AWS: nothing is changed meanwhile, and there is one deadline.

A store that is silent for a minute is no reason to leave an instance out of service. So a record that cannot be
written is tried again until the store is back, the deadline has passed or somebody asks to stop. What was decided
before the wait is looked at again after it: see `Actuator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Watch
from deployer.engine.ports import Clock, Journal, Lease, Record
from deployer.model.errors import StateUnavailable

T = TypeVar("T")

_AGAIN = 2.0
"""Seconds between two tries."""


class StoreSilent(StateUnavailable):
    """The store was waited for, and did not come back in time."""


@dataclass(frozen=True)
class Patience:
    """How long a silent store is waited for: `longest` in seconds, or until somebody asks to stop."""

    clock: Clock
    stop: StopRequest
    watch: Watch
    longest: float

    def out(self, ask: Callable[[], T]) -> T:
        """Asks until the store answers. Raises StoreSilent, and whatever else `ask` raises."""
        since: float | None = None
        while True:
            try:
                answer = ask()
            except StateUnavailable as silent:
                now = self.clock.now()
                if since is None:
                    since = now
                    self.watch(Noted(f"{silent}; waiting for it, for {self.longest:g} s at most", warning=True))
                if self.stop.count or now - since >= self.longest:
                    raise StoreSilent(
                        f"{silent}; waited for {now - since:.0f} s; `deployer resume` goes on once it is back"
                    ) from silent
                self.clock.sleep(_AGAIN)
                continue
            if since is not None:
                self.watch(Noted(f"the state store answers again, after {self.clock.now() - since:.0f} s"))
            return answer


@dataclass(frozen=True)
class PatientLease:
    """A lease whose heartbeat waits for the store. The fence asks the lease itself, which waits for nobody."""

    lease: Lease
    patience: Patience

    @property
    def epoch(self) -> int:
        """See `Lease`."""
        return self.lease.epoch

    @property
    def line(self) -> str:
        """See `Lease`."""
        return self.lease.line

    @property
    def unlocked(self) -> str:
        """See `Lease`."""
        return self.lease.unlocked

    def still_held(self) -> bool:
        """See `Lease`."""
        return self.lease.still_held()

    def left(self) -> float:
        """See `Lease`."""
        return self.lease.left()

    def heartbeat(self) -> None:
        """See `Lease`. Raises StoreSilent."""
        self.patience.out(self.lease.heartbeat)

    def release(self) -> None:
        """See `Lease`."""
        self.lease.release()


@dataclass(frozen=True)
class PatientJournal:
    """A journal that waits for the store. A record is written once, whatever became of earlier tries."""

    journal: Journal
    patience: Patience

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        """See `Journal`. Raises StoreSilent."""
        return self.patience.out(lambda: self.journal.append(kind, subject, data))

    def records(self) -> Sequence[Record]:
        """See `Journal`."""
        return self.journal.records()
