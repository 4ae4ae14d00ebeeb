"""One audit record per change: what, when, request id, outcome (promise 18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployer.engine.events import Acted, Watch
from deployer.engine.ports import Journal
from deployer.model.moves import Move
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown


@dataclass(frozen=True)
class Scribe:
    """Writes outcomes to the journal, and tells them to whoever watches."""

    journal: Journal
    watch: Watch

    def tell(self, move: Move, text: str, outcome: Outcome[Any], **data: object) -> None:
        """Records how a move ended; `text` is for people, `data` for a resume."""
        match outcome:
            case Done(request_id=request):
                error = ""
            case Temporary(reason=error, request_id=request) | Permanent(reason=error, request_id=request):
                pass
            case Unknown(reason=error):
                request = ""
        kind = type(outcome).__name__.lower()
        self.journal.append(
            "outcome",
            type(move).__name__,
            {"move": move_as_json(move), "outcome": kind, "error": error, "request_id": request, **data},
        )
        self.watch(Acted(move, text, error, request))


def move_as_json(move: Move) -> dict[str, Any]:
    """A move as JSON values. Of a reason it is the first line: what scripts said stands in the failure's record."""
    return {"move": type(move).__name__, **{key: _listed(value) for key, value in vars(move).items()}}


def _listed(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_listed(item) for item in value]
    return value.split("\n", 1)[0] if isinstance(value, str) else value
