"""One audit record per change: what, when, request id, outcome (promise 18)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployer.engine.events import Acted, Watch
from deployer.engine.move_records import move_as_json
from deployer.engine.ports import Journal
from deployer.model.moves import Move
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown


@dataclass(frozen=True)
class Scribe:
    """Writes outcomes to the journal, and tells them to whoever watches."""

    journal: Journal
    watch: Watch
    denied: Callable[[str], None] = lambda _reason: None
    """Told why a change was denied."""

    def tell(self, move: Move, text: str, outcome: Outcome[Any], **data: object) -> None:
        """Records how a move ended; `text` is for people, `data` for a resume."""
        match outcome:
            case Done(request_id=request):
                error = ""
            case Temporary(reason=error, request_id=request) | Permanent(reason=error, request_id=request):
                pass
            case Unknown(reason=error):
                request = ""
        if isinstance(outcome, Permanent) and outcome.denied:
            self.denied(outcome.reason)
        kind = type(outcome).__name__.lower()
        self.journal.append(
            "outcome",
            type(move).__name__,
            {"move": move_as_json(move), "outcome": kind, "error": error, "request_id": request, **data},
        )
        self.watch(Acted(move, text, error, request))
