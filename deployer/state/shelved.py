"""The state store over any shelf: journals by rollout, one lease a fleet, and a bounded history."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deployer.engine.ports import Clock, Journal, Lease, Record
from deployer.state.journal import ShelvedJournal
from deployer.state.lease import break_up, standing, take
from deployer.state.owner import Deed, Owner, is_gone
from deployer.state.records import decode
from deployer.state.requests import Request, post, posted
from deployer.state.shelf import Shelf
from deployer.state.store import Entry, Holder

KEPT = 50
"""How many rollouts of a fleet are kept where the settings do not say."""


class ShelvedStore:
    """See `StateStore`. `gone` tells whether an owner's process is certainly dead."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        gone: Callable[[Owner], bool] = is_gone,
        deed: Callable[[], Deed] | None = None,
        keep: int = KEPT,
    ) -> None:
        """`deed` tells what this process does, for the records that open journals; `keep` counts rollouts."""
        self._shelf = shelf
        self._gone = gone
        self._deed = deed
        self._keep = keep

    def open_rollout(self, fleet: str, rollout: str, lease: Lease, clock: Clock) -> Journal:
        """Opens a rollout's journal for writing; see `StateStore`."""
        names = self._shelf.names(fleet)
        name = _find(names, rollout)
        if name is None:
            name = f"{max(0, int(clock.wall() * 1000)):014d}-{rollout}"
            self._expire(fleet, names)
        return ShelvedJournal(self._shelf, fleet, name, rollout, lease, clock, self._opened(lease))

    def _opened(self, lease: Lease) -> dict[str, object]:
        by: dict[str, object] = {"by": self._deed().data()} if self._deed is not None else {}
        return {**by, "unlocked": lease.unlocked} if lease.unlocked else by

    def read_rollout(self, fleet: str, rollout: str) -> Sequence[Record]:
        """The records of a rollout; see `StateStore`."""
        name = _find(self._shelf.names(fleet), rollout)
        return self._records(fleet, name) if name else ()

    def last_rollout(self, fleet: str) -> Entry | None:
        """The newest rollout of the fleet; see `StateStore`."""
        newest_first = sorted(self._shelf.names(fleet), reverse=True)
        entries = (self._entry(fleet, name) for name in newest_first)
        return next((entry for entry in entries if not entry.baked), None)

    def rollouts(self, fleet: str, limit: int) -> Sequence[Entry]:
        """The fleet's newest rollouts, newest first."""
        names = sorted(self._shelf.names(fleet), reverse=True)[: max(0, limit)]
        return tuple(self._entry(fleet, name) for name in names)

    def acquire(self, fleet: str, owner: Owner, reason: str, rollout: str, ttl: float, clock: Clock) -> Lease:
        """Takes the fleet for a rollout; see `StateStore`."""
        wanted = Holder(fleet, rollout, reason, owner, epoch=0, since=0.0, beat=0.0, ttl=ttl)
        return take(self._shelf, wanted, clock, self._gone, lambda: self._newest_epoch(fleet))

    def holder(self, fleet: str) -> Holder | None:
        """Who holds the fleet; see `StateStore`."""
        return standing(self._shelf, fleet)

    def break_lease(self, fleet: str, by: str = "") -> Holder | None:
        """Frees the fleet; see `StateStore`."""
        return break_up(self._shelf, fleet, by)

    def post(self, fleet: str, request: Request) -> None:
        """Leaves a request for a running rollout; see `StateStore`."""
        post(self._shelf, fleet, request)

    def posted(self, fleet: str, rollout: str) -> Request | None:
        """The request for that rollout; see `StateStore`."""
        return posted(self._shelf, fleet, rollout)

    def _expire(self, fleet: str, names: Sequence[str]) -> None:
        for name in sorted(names, reverse=True)[self._keep - 1 :]:
            self._shelf.remove(fleet, name)

    def _newest_epoch(self, fleet: str) -> int:
        names = sorted(self._shelf.names(fleet))
        return max((record.epoch for record in self._records(fleet, names[-1])), default=0) if names else 0

    def _records(self, fleet: str, name: str) -> Sequence[Record]:
        return decode(self._shelf.read(fleet, name), f"{name} in {self._shelf.place}").records

    def _entry(self, fleet: str, name: str) -> Entry:
        started, _, rollout = name.partition("-")
        records = self._records(fleet, name)
        return Entry(
            rollout=rollout,
            started=int(started) / 1000,
            opened=records[0] if records else None,
            plan=next((r for r in records if r.kind == "plan"), None),
            end=next((r for r in reversed(records) if r.kind == "end"), None),
            last=records[-1] if records else None,
        )


def _find(names: Sequence[str], rollout: str) -> str | None:
    return next((name for name in names if name.partition("-")[2] == rollout), None)
