"""What the credentials may not do ends a rollout: it is not asked for again (fault 23)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deployer.engine.scribe import Scribe
from deployer.engine.turns import Progress, Settle, next_turn
from deployer.model.moves import Drain
from deployer.model.outcome import Permanent
from tests.builders import NOW, old, seen, slot


@dataclass
class Notes:
    """A journal that keeps the kinds of its records."""

    kinds: list[str] = field(default_factory=list)

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> None:
        self.kinds.append(kind)


def test_a_change_that_was_denied_is_not_asked_for_again_but_ends_the_rollout() -> None:
    fleet = replace(seen([slot("1", old("i-1"))]), denied="the credentials may not call DeregisterTargets")
    turn = next_turn(fleet, Progress(NOW), asked_to_stop=False, done_since=None)
    assert turn == Settle("the credentials may not call DeregisterTargets")


def test_a_denial_is_heard_of_and_another_failure_is_not() -> None:
    heard: list[str] = []
    notes = Notes()
    scribe = Scribe(notes, lambda _event: None, heard.append)
    scribe.tell(Drain("i-1"), "", Permanent("there is no such target", "InvalidTarget"))
    scribe.tell(Drain("i-1"), "", Permanent("denied", "AccessDenied", denied=True))
    assert heard == ["denied"]
    assert notes.kinds == ["outcome", "outcome"]
