"""A journal on a shelf: appended to under a lease, and by nobody else from the moment somebody took over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployer.engine.ports import Clock, Lease, Record
from deployer.model.errors import LeaseLost, StateUnavailable
from deployer.state.records import decode, encode, link
from deployer.state.shelf import Book, Conflict, Shelf

_OPENINGS = 5


class ShelvedJournal:
    """See `Journal` in the engine's ports. Opening it writes a record, which locks earlier writers out."""

    def __init__(
        self,
        shelf: Shelf,
        fleet: str,
        name: str,
        rollout: str,
        lease: Lease,
        clock: Clock,
        opened: Mapping[str, object] | None = None,
    ) -> None:
        """`opened` goes into the record that opens it: who does, by what command, why."""
        self._shelf = shelf
        self._opened = dict(opened or {})
        self._link = ""
        self._fleet = fleet
        self._name = name
        self._rollout = rollout
        self._lease = lease
        self._clock = clock
        self._records: list[Record] = []
        self._book: Book | None = None
        self._unsure: tuple[str, str, Mapping[str, object]] | None = None
        """A record of which nobody knows whether it was written."""
        self._open()

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        """Writes one record, durably; keeps the lease alive as well.

        Raises StateUnavailable or LeaseLost, and then nothing may be changed; UnfitRecord for data that
        has no place in a journal.
        """
        self._lease.heartbeat()
        book = self._book or self._open()
        written = self._written(kind, subject, data)
        if written is not None:
            return written
        try:
            record = self._write(book, len(self._records), kind, subject, data)
        except Conflict:
            self._book = None
            raise LeaseLost(self._what_happened()) from None
        except StateUnavailable:
            self._book, self._unsure = None, (kind, subject, data)
            raise
        self._unsure = None
        self._records.append(record)
        return record

    def _written(self, kind: str, subject: str, data: Mapping[str, object]) -> Record | None:
        """The same record as an earlier try has written it after all, before the journal was opened again."""
        unsure, self._unsure = self._unsure, None
        if unsure != (kind, subject, data) or len(self._records) < 2:
            return None
        last = self._records[-2]
        ours = encode(Record(last.seq, last.wall, self._rollout, self._lease.epoch, kind, subject, data))[0]
        return last if last == ours else None

    def _what_happened(self) -> str:
        """Why a record could not be added behind our last one. Raises StateUnavailable and JournalCorrupt."""
        name = f"{self._rollout} in {self._shelf.place}"
        found = decode(self._shelf.read(self._fleet, self._name), name).records
        newest = max((record.epoch for record in found), default=0)
        if not found:
            how, then = (
                "was deleted, by no command of deployer's",
                "run `deployer doctor --leftovers`",
            )
        elif newest > self._lease.epoch:
            how, then = f"goes on under epoch {newest}: another process has taken it over", "see `deployer status`"
        else:
            how, then = "was changed by something that is not a deployer", "see `deployer status`"
        return (
            f"the journal of rollout {self._rollout} of fleet {self._fleet} in {self._shelf.place} {how}; nothing "
            f"more is changed here; {then}"
        )

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
            pages = decode(book.content, f"{self._rollout} in {self._shelf.place}")
            records, self._link = pages.records, pages.last
            self._refuse_if_overtaken(records)
            opened: dict[str, object] = {"records": len(records), **self._opened}
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
            Record(seq, self._clock.wall(), self._rollout, self._lease.epoch, kind, subject, data), self._link
        )
        if not self._lease.still_held():
            raise LeaseLost(f"the lease of fleet {self._fleet} has expired; nothing more is changed here")
        book.append(line)
        self._link = link(line)
        return record
