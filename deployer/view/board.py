"""What a view knows: a frozen value that each event turns into the next. Pure, so every picture can be tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from deployer.engine.events import Acted, Baking, Completed, Event, Failed, Looked, Noted, Refused, Started, Turned
from deployer.model.capacity import lower_bound
from deployer.model.moves import subject_of
from deployer.model.observation import Observation
from deployer.model.service import count, is_done

_REMARKS = 4


@dataclass(frozen=True)
class Board:
    """All that is shown of one rollout. Times are seconds of the view's own monotonic clock.

    `looked_at` is when the last look came in: countdowns go on from there between two looks.
    """

    begun_at: float
    started: Started | None = None
    seen: Observation | None = None
    looked_at: float = 0.0
    waits: Mapping[str, tuple[str, float | None]] = field(default_factory=dict)
    in_service: int = 0
    seconds_each: tuple[float, ...] = ()
    completed: frozenset[str] = frozenset()
    """Slots that were said to be complete, of which the next look may still be to come."""
    refused: int = 0
    failures: tuple[Failed, ...] = ()
    turned: Turned | None = None
    baking: str = ""
    remarks: tuple[str, ...] = ()
    """The latest actions, refusals and warnings, oldest first."""

    @property
    def done(self) -> int:
        """Slots that have arrived."""
        slots = self.seen.slots if self.seen else ()
        return sum(1 for slot in slots if slot.name in self.completed or (self.seen and is_done(self.seen, slot)))

    @property
    def total(self) -> int:
        """Slots of the fleet; 0 before the first look."""
        return len(self.seen.slots) if self.seen else 0

    @property
    def surge(self) -> int:
        """Instances beyond the fleet's size, launches under way included."""
        return max(count(self.seen).alive - self.total, 0) if self.seen else 0

    def left(self, now: float) -> float | None:
        """Seconds until the end if it goes on as so far; None while nothing has completed."""
        done = len(self.seconds_each)
        if not done or self.seen is None:
            return None
        window = max(self.seen.limits.window, 1)
        pace = max((now - self.begun_at) / done, _mean(self.seconds_each) / window)
        return pace * (self.total - self.done)

    def bound(self) -> float | None:
        """Seconds in which the rest could be done at best, by `model.capacity.lower_bound`."""
        if self.seen is None:
            return None
        known = self.seconds_each or tuple(self.seen.expected_seconds.values())
        if not known:
            return None
        return lower_bound(slots=self.total - self.done, window=self.seen.limits.window, seconds_each=_mean(known))

    def countdown(self, until: float | None, now: float) -> float | None:
        """Seconds from `now` (view's clock) to `until` (engine's clock); None when that is not known."""
        if until is None or self.seen is None:
            return None
        return max(until - self.seen.now - (now - self.looked_at), 0.0)


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


def after(board: Board, event: Event, now: float) -> Board:
    """The board once `event` has come in at `now`."""
    match event:
        case Started():
            return replace(board, started=event, begun_at=now)
        case Looked(seen=seen, waits=waits, in_service=in_service):
            reasons = {subject: (reason, until) for subject, reason, until in waits}
            return replace(board, seen=seen, looked_at=now, waits=reasons, in_service=in_service, baking="")
        case Completed(slot=slot, seconds=seconds):
            return replace(board, seconds_each=(*board.seconds_each, seconds), completed=board.completed | {slot})
        case Refused(move=move, promise=promise, because=because):
            remark = f"refused {type(move).__name__.lower()} of {subject_of(move)}: {because} (promise {promise})"
            return _remark(replace(board, refused=board.refused + 1), remark)
        case Failed(instance=instance, reason=reason):
            return _remark(replace(board, failures=(*board.failures, event)), f"{instance} failed: {reason}")
        case Turned(reason=reason, rolling_back=rolling_back):
            kept = frozenset[str]() if rolling_back else board.completed
            return _remark(replace(board, turned=event, completed=kept), reason)
        case Baking(step=step, detail=detail):
            return replace(board, baking=f"{step} {detail}".strip())
        case Acted(text=text, error=error):
            return _remark(board, f"{text}: {error}" if error else text)
        case Noted(text=text):
            return _remark(board, text)
        case _ as never:
            assert_never(never)


def _remark(board: Board, text: str) -> Board:
    return replace(board, remarks=(*board.remarks, text)[-_REMARKS:])
