"""What a bake writes down and tells: the journal's records and the events for whoever watches."""

from __future__ import annotations

from deployer.bake.steps import Change, OnHost
from deployer.engine.events import Baking, Noted, Watch
from deployer.engine.ports import Journal
from deployer.model.fleet import Instance
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown


class Records:
    """The journal and the watchers of one bake, which is known by its image's name."""

    def __init__(self, journal: Journal, watch: Watch, image: str) -> None:
        self._journal = journal
        self._watch = watch
        self._image = image
        self._told: dict[str, str] = {}

    def intend(self, step: Change | OnHost, subject: str) -> None:
        """Before a change. What the journal raises passes: then nothing is changed (fault 36)."""
        self._journal.append("intent", f"bake {subject}", {"bake": self._image, "step": type(step).__name__})

    def outcome(self, step: Change | OnHost, subject: str, outcome: Outcome[object]) -> None:
        """One audit record a change (promise 18), in the shape that the engine's records have."""
        reason, request = _reason_of(outcome)
        self._journal.append(
            "outcome",
            f"bake {subject}",
            {
                "move": {"move": f"bake:{type(step).__name__}", "subject": subject},
                "bake": self._image,
                "outcome": type(outcome).__name__.lower(),
                "made": _made(outcome),
                "error": reason,
                "request_id": request,
            },
        )

    def tell(self, step: str, detail: str) -> None:
        """Tells the watchers, unless it is what they last heard of this step."""
        if self._told.get(step) != detail:
            self._told[step] = detail
            self._watch(Baking(step, detail))

    def warn(self, text: str) -> None:
        """Tells the watchers what the user should know of."""
        self._watch(Noted(text, warning=True))


def _reason_of(outcome: Outcome[object]) -> tuple[str, str]:
    match outcome:
        case Done(request_id=request):
            return "", request
        case Temporary(reason=reason, request_id=request) | Permanent(reason=reason, request_id=request):
            return reason, request
        case Unknown(reason=reason):
            return reason, ""


def _made(outcome: Outcome[object]) -> str:
    """The id of what came into being (promise 7)."""
    match outcome:
        case Done(value=Instance(id=ident)) | Done(value=str(ident)):
            return ident
        case _:
            return ""
