"""What was changed around a rollout, written to the journal before each change, so that it can be put back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.engine.ports import Journal, Record

PROCESSES, SOURCE, LEAST, MOST = "processes", "source", "least", "most"
PRE_SCALE, PROTECTION, SIZE = "pre-scale", "protection", "size"
"""What of a group an undo may be about: its suspended processes, what it launches, its limits, its growth before
a rollout, which of its members are protected from being scaled in, and that its size is being given back."""

INHERITED = "inherited"
"""In an undo that an earlier rollout left: the name of that."""


def open_undos(records: Iterable[Record], subject: str) -> dict[str, Mapping[str, Any]]:
    """What is still to be put back, by what it is about: an `undo` that no `undone` has followed."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in records:
        what = str(record.data.get("what", ""))
        if record.subject != subject:
            continue
        if record.kind == "undo":
            found[what] = record.data
        elif record.kind == "undone":
            found.pop(what, None)
    return found


def last_undo(records: Iterable[Record], subject: str, what: str) -> Mapping[str, Any] | None:
    """What was last to be put back about `what`, whether it has been since or not."""
    found = None
    for record in records:
        if (record.kind, record.subject, record.data.get("what")) == ("undo", subject, what):
            found = record.data
    return found


@dataclass
class Undos:
    """The undos of one subject."""

    journal: Journal
    subject: str
    open: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, journal: Journal, subject: str) -> Undos:
        """With those that an earlier run of the same rollout left open."""
        return cls(journal, subject, open_undos(journal.records(), subject))

    def record(self, what: str, data: Mapping[str, Any]) -> None:
        """Before a change. A later record about the same thing stands for the earlier ones."""
        self.open[what] = {"what": what, **data}
        self.journal.append("undo", self.subject, self.open[what])

    def once(self, what: str, data: Mapping[str, Any]) -> None:
        """Before a change that may come several times: what was there before the first of them counts."""
        if what not in self.open:
            self.record(what, data)

    def done(self, what: str) -> None:
        """After it was put back."""
        if self.open.pop(what, None) is not None:
            self.journal.append("undone", self.subject, {"what": what})
