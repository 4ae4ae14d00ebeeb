"""What commands and the engine know of a state store, whatever keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from deployer.engine.ports import Clock, Journal, Lease, Record
from deployer.state.owner import Owner
from deployer.state.requests import Request


@dataclass(frozen=True)
class Holder:
    """Who holds a fleet, or was interrupted while holding it.

    `since` and `beat` are Unix seconds by the holder's clock: when it took the fleet, and its last heartbeat.
    `ttl` is in seconds, `epoch` the fencing number.
    """

    fleet: str
    rollout: str
    reason: str
    owner: Owner
    epoch: int
    since: float
    beat: float
    ttl: float


@dataclass(frozen=True)
class Entry:
    """One rollout of a fleet's history, by the records that tell it. Times are Unix seconds."""

    rollout: str
    started: float
    plan: Record | None
    end: Record | None
    last: Record | None
    opened: Record | None = None
    """Its first record: who began it."""

    @property
    def finished(self) -> bool:
        """Whether it came to an end of its own; else it runs or was interrupted."""
        return self.end is not None

    @property
    def baked(self) -> bool:
        """Whether it only made an image (`deployer bake`)."""
        return self.end is not None and self.end.data.get("status") == "baked"


class StateStore(Protocol):
    """Journals and leases of the fleets of one account and region. Every method raises StateUnavailable when the
    store cannot be reached, and JournalCorrupt when a journal was altered."""

    def open_rollout(self, fleet: str, rollout: str, lease: Lease, clock: Clock) -> Journal:
        """Opens the journal of a new or interrupted rollout for writing, under a lease that is held.

        A tail torn by a crash is cut, which a `note` record tells. Opening writes a record, after which
        a writer that had the journal open before can append nothing more. Raises LeaseLost.
        """
        ...

    def read_rollout(self, fleet: str, rollout: str) -> Sequence[Record]:
        """The records of a rollout, without changing anything; empty when it is not known."""
        ...

    def last_rollout(self, fleet: str) -> Entry | None:
        """The newest rollout of the fleet. A finished bake is none, so what was paused before it is the last."""
        ...

    def rollouts(self, fleet: str, limit: int) -> Sequence[Entry]:
        """The fleet's newest rollouts, newest first. As many are kept as the settings say."""
        ...

    def acquire(self, fleet: str, owner: Owner, reason: str, rollout: str, ttl: float, clock: Clock) -> Lease:
        """Takes the fleet for a rollout under a new epoch.

        A lease that its holder cannot use any more (dead on this host, or expired) is taken over by the same
        rollout, which is what `resume` and `abort` do; any other is told to resume or abort that one. Raises
        FleetHeld with who, since when, where, why, and how to go on.
        """
        ...

    def holder(self, fleet: str) -> Holder | None:
        """Who holds the fleet or was interrupted while holding it; None when it is free."""
        ...

    def break_lease(self, fleet: str, by: str = "") -> Holder | None:
        """Breaks the lease of whoever holds the fleet, and tells who did; None when it is free.

        `by` says who breaks it, which the next journal that is opened tells.

        A holder that lives finds out within a third of the lease's time and stops. Until its lease would
        have expired nobody else gets the fleet, unless the holder is known to be dead.
        """
        ...

    def post(self, fleet: str, request: Request) -> None:
        """Leaves a request for a running rollout, which reads it at its heartbeats."""
        ...

    def posted(self, fleet: str, rollout: str) -> Request | None:
        """The request for that rollout, if there is one."""
        ...
