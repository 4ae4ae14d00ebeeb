"""Bugs of the past, put back into a copy of the sources: the suite must see each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.copies import copy_sources, without


@dataclass(frozen=True)
class Bug:
    """One edit, and the words of the cells that must lose requests by it."""

    what: str
    path: str
    guard: str
    hole: str
    cells: tuple[str, ...]


BUGS: dict[str, Bug] = {}


def put_back(bug: Bug, folder: Path) -> Path:
    """Copies the sources into the new folder, with the bug in them; returns the folder."""
    copy = copy_sources(folder)
    path = copy / bug.path
    path.write_text(without(path.read_text(), bug.guard, bug.hole, bug.path))
    return copy
