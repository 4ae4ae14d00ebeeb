"""A journal on a shelf: appended to under a lease, and by nobody else from the moment somebody took over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployer.engine.ports import Clock, Lease, Record
from deployer.model.errors import LeaseLost, StateUnavailable
from deployer.state.records import decode, encode
from deployer.state.shelf import Book, Conflict, Shelf

_OPENINGS = 5


class ShelvedJournal:
    """See `Journal` in the engine's ports. Opening it writes a record, which locks earlier writers out."""

    def __init__(self, shelf: Shelf, fleet: str, name: str, rollout: str, lease: Lease, clock: Clock) -> None:
        self._shelf = shelf
        self._fleet = fleet
        self._name = name
        self._rollout = rollout
        self._lease = lease
        self._clock = clock
        self._records: list[Record] = []
        self._book: Book | None = None
        self._open()

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        """Writes one record, durably; keeps the lease alive as well.

        Raises StateUnavailable or LeaseLost, and then nothing may be changed; UnfitRecord for data that
        has no place in a journal.
        """
        self._lease.heartbeat()
        book = self._book or self._open()
        try:
            record = self._write(book, len(self._records), kind, subject, data)
        except Conflict:
            self._book = None
            raise LeaseLost(
                f"the journal of rollout {self._rollout} was written by another process, which has taken fleet "
                f"{self._fleet} over; nothing more is changed here. See `deployer status`"
            ) from None
        except StateUnavailable:
            self._book = None
            raise
        self._records.append(record)
        return record

    def records(self) -> Sequence[Record]:
        """All records of this rollout, in order."""
        return tuple(self._records)

    def _open(self) -> Book:
        """Reads what is there, and writes a record under our epoch, after which no earlier writer can append.

        A writer that is being locked out may get a record in before ours: then it is read too. It is done
        again after a write of unknown outcome: what was written after all is then taken on.
        """
        for _ in range(_OPENINGS):
            self._lease.heartbeat()
            book = self._shelf.open(self._fleet, self._name)
            records = decode(book.content, f"{self._rollout} in {self._shelf.place}").records
            self._refuse_if_overtaken(records)
            opened: dict[str, object] = {"records": len(records)}
            if book.torn:
                opened["torn_bytes_cut"] = book.torn
            try:
                first = self._write(book, len(records), "note", "journal opened", opened)
            except Conflict:
                continue
            self._records = [*records, first]
            self._book = book
            return book
        raise StateUnavailable(
            f"the journal of rollout {self._rollout} in {self._shelf.place} is being written by another process "
            f"all the time; nothing is changed here. See `deployer status`"
        )

    def _refuse_if_overtaken(self, records: Sequence[Record]) -> None:
        newest = max((record.epoch for record in records), default=0)
        if newest > self._lease.epoch:
            raise LeaseLost(
                f"rollout {self._rollout} of fleet {self._fleet} goes on under epoch {newest}, and epoch "
                f"{self._lease.epoch} may change nothing any more; see `deployer status`"
            )

    def _write(self, book: Book, seq: int, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        record, line = encode(
            Record(seq, self._clock.wall(), self._rollout, self._lease.epoch, kind, subject, data)
        )
        if not self._lease.still_held():
            raise LeaseLost(f"the lease of fleet {self._fleet} has expired; nothing more is changed here")
        book.append(line)
        return record
