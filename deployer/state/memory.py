"""A shelf in memory, for the twin and for rehearsals: nothing outlives the process."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.state.records import Pages, decode
from deployer.state.shelf import Conflict, Version


class MemoryShelf:
    """Leases and journals in dictionaries."""

    place = "memory"

    def __init__(self) -> None:
        self.leases: dict[str, Version] = {}
        self.journals: dict[str, dict[str, bytes]] = {}
        self._writes = 0

    def lease(self, fleet: str) -> Version | None:
        """The lease as it stands."""
        return self.leases.get(fleet)

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        """Replaces the lease if its mark is still the expected one."""
        found = self.leases.get(fleet)
        if (found.mark if found else None) != expected:
            raise Conflict
        self._writes += 1
        mark = str(self._writes)
        self.leases[fleet] = Version(content, mark)
        return mark

    def names(self, fleet: str) -> Sequence[str]:
        """The journals' names."""
        return sorted(self.journals.get(fleet, {}))

    def read(self, fleet: str, name: str) -> bytes:
        """A journal's content."""
        return self.journals.get(fleet, {}).get(name, b"")

    def open(self, fleet: str, name: str) -> MemoryBook:
        """Opens a journal for appending and cuts its torn tail."""
        journals = self.journals.setdefault(fleet, {})
        pages = decode(journals.get(name, b""), name)
        return MemoryBook(journals, name, pages)

    def remove(self, fleet: str, name: str) -> None:
        """Deletes a journal."""
        self.journals.get(fleet, {}).pop(name, None)


class MemoryBook:
    """A journal in memory, open for one writer."""

    def __init__(self, journals: dict[str, bytes], name: str, pages: Pages) -> None:
        self._journals = journals
        self._name = name
        self._size = pages.whole
        self.content = journals.get(name, b"")[: pages.whole]
        self.torn = pages.torn
        journals[name] = self.content

    def append(self, line: bytes) -> None:
        """Adds a line."""
        found = self._journals.get(self._name, b"")
        if len(found) != self._size:
            raise Conflict
        self._journals[self._name] = found + line
        self._size += len(line)
