"""What somebody asks of a running rollout from elsewhere: to pause, to make way, or to go on past a gate.

A request is one small document beside the lease, written by conditional writes like the lease, and read by the
holder at its heartbeats. It names the rollout that it is meant for, so that an old one never stops a new one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum

from deployer.model.errors import JournalCorrupt, StateUnavailable
from deployer.state.shelf import Conflict, Shelf, Version

_TRIES = 5


class Wish(Enum):
    """What is asked for."""

    PAUSE = "pause"
    SUPERSEDE = "supersede"
    APPROVE = "approve"
    """To go on past the gate that waits for somebody to say yes."""


@dataclass(frozen=True)
class Request:
    """A wish for one rollout; `by` says whose it is, in words, and `at` when, in Unix seconds."""

    rollout: str
    wish: Wish
    by: str
    at: float


def place_of(fleet: str) -> str:
    """Where a fleet's request stands on a shelf: beside the fleet, and no fleet of its own."""
    return f"{fleet}.request"


def post(shelf: Shelf, fleet: str, request: Request) -> None:
    """Leaves a request, over any older one. Raises StateUnavailable."""
    content = json.dumps({**asdict(request), "wish": request.wish.value}, sort_keys=True).encode()
    for _ in range(_TRIES):
        found = shelf.lease(place_of(fleet))
        try:
            shelf.put_lease(place_of(fleet), content, found.mark if found is not None else None)
        except Conflict:
            continue
        return
    raise StateUnavailable(f"the request for fleet {fleet} could not be written: others kept writing; try again")


def posted(shelf: Shelf, fleet: str, rollout: str) -> Request | None:
    """The request for this rollout, if there is one. Raises StateUnavailable, JournalCorrupt."""
    found = shelf.lease(place_of(fleet))
    request = _decode(found, fleet) if found is not None else None
    return request if request is not None and request.rollout == rollout else None


def _decode(version: Version, fleet: str) -> Request:
    try:
        raw = json.loads(version.content)
        return Request(str(raw["rollout"]), Wish(raw["wish"]), str(raw["by"]), float(raw["at"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise JournalCorrupt(f"the request for fleet {fleet} cannot be read ({error!r}); delete it") from None
