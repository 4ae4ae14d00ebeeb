"""The little that a place must be able to do to keep journals and leases: files, S3, DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Conflict(Exception):
    """A conditional write found something else than expected: somebody wrote in between. Nothing was written."""


@dataclass(frozen=True)
class Version:
    """The content of a fleet's lease as it was read, and a mark that changes with every write."""

    content: bytes
    mark: str


class Book(Protocol):
    """One journal, open for appending by one writer."""

    @property
    def content(self) -> bytes:
        """All bytes as they were when it was opened, without a torn tail."""
        ...

    @property
    def torn(self) -> int:
        """How many bytes of a torn tail were cut when it was opened."""
        ...

    def append(self, line: bytes) -> None:
        """Adds a line, durably. Raises Conflict when another has written since, StateUnavailable when it is not
        known to be written: then it may be there all the same, and the book has to be opened again."""
        ...


class Shelf(Protocol):
    """Where a fleet's lease and journals are. Every method raises StateUnavailable when the place cannot be
    reached; a write that did so may have been done."""

    @property
    def place(self) -> str:
        """Where it is, for messages: a folder, `s3://bucket/prefix`, `dynamodb://table`."""
        ...

    def lease(self, fleet: str) -> Version | None:
        """The lease as it stands; None when there never was one."""
        ...

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        """Replaces the lease if its mark is still `expected` (None: if there is none yet); returns its new mark.

        Raises Conflict when it is not.
        """
        ...

    def names(self, fleet: str) -> Sequence[str]:
        """The names of the fleet's journals, in their order as texts."""
        ...

    def read(self, fleet: str, name: str) -> bytes:
        """A journal's content; empty when there is none."""
        ...

    def open(self, fleet: str, name: str) -> Book:
        """Opens a journal for appending, making it when there is none. Cuts a tail that a crash has torn.

        Raises JournalCorrupt when it is damaged elsewhere.
        """
        ...

    def remove(self, fleet: str, name: str) -> None:
        """Deletes a journal; harmless when it is gone."""
        ...
