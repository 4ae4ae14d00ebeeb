"""What came of the cells: kept on disk one by one, and told as a table and a document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from tests.shapes.cells import Cell


class Status(Enum):
    """What a cell showed."""

    OK = "ok"
    LOST = "lost"
    """Requests failed, none of which the deregistration delay can have cut."""
    FAILED = "failed"
    """The rollout did not succeed, or there was none."""
    NO_VERDICT = "no verdict"
    """Nothing failed, but the load generator stood still for too long to vouch for it."""
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Result:
    """What came of one cell."""

    cell: str
    status: Status
    sent: int = 0
    failed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether nothing is left to be tried."""
        return self.status in (Status.OK, Status.NOT_APPLICABLE)


def read(cell: Cell, code: int, document: Mapping[str, Any] | None, seconds: float) -> Result:
    """The result of a demo, from its exit code and its document."""
    requests = (document or {}).get("requests") or {}
    sent, failed = int(requests.get("sent", 0)), int(requests.get("failed", 0))

    def result(status: Status, reason: str = "") -> Result:
        failures = dict(requests.get("failures") or {})
        return Result(str(cell), status, sent, failed, failures, reason, round(seconds, 1))

    if document is None:
        return result(Status.FAILED, f"no document; the demo's exit code was {code}")
    if document.get("status") != "succeeded":
        return result(Status.FAILED, str(document.get("reason") or f"exit code {code}"))
    if failed:
        return result(Status.LOST)
    if not requests.get("trustworthy"):
        return result(Status.NO_VERDICT, str(requests.get("reason")))
    return result(Status.OK) if code == 0 else result(Status.FAILED, f"exit code {code}")


class Shelf:
    """One file for each cell, so that a run that was cut short can be gone on with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, result: Result) -> None:
        """Keeps a result."""
        self._folder.mkdir(parents=True, exist_ok=True)
        document = {**asdict(result), "status": result.status.value}
        self._path(result.cell).write_text(json.dumps(document, indent=1) + "\n")

    def get(self, cell: Cell) -> Result | None:
        """The result that was kept of a cell."""
        try:
            document = json.loads(self._path(str(cell)).read_text())
        except FileNotFoundError:
            return None
        return Result(**{**document, "status": Status(document["status"])})

    def _path(self, cell: str) -> Path:
        return self._folder / f"{cell.replace(' ', '_')}.json"


def line(result: Result) -> str:
    """One row of the table."""
    kinds = ", ".join(f"{kind}: {count}" for kind, count in result.failures.items())
    said = "; ".join(text for text in (kinds, result.reason.partition(";")[0]) if text)
    return f"{result.cell:<36}{result.sent:>7}{result.failed:>8}  {result.status.value:<15}{said}".rstrip()


def table(results: Sequence[Result]) -> list[str]:
    """All rows under a heading."""
    return [f"{'cell':<36}{'sent':>7}{'failed':>8}  {'status':<15}", *(line(result) for result in results)]


def document(results: Sequence[Result]) -> dict[str, object]:
    """The one document of a run."""
    counts = {status.value: sum(result.status is status for result in results) for status in Status}
    return {
        "cells": [{**asdict(result), "status": result.status.value} for result in results],
        "by_status": {name: count for name, count in counts.items() if count},
        "sent": sum(result.sent for result in results),
        "failed": sum(result.failed for result in results),
    }
