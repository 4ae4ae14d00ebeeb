"""Where a process ends: at a mutating call, before it was sent, after it applied, or before it was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Killed(BaseException):
    """The process ends here, as by SIGKILL; nothing of it goes on."""


class Moment(Enum):
    """When, around a mutating call."""

    BEFORE = "before it was sent"
    HALF = "after half of a batch was applied"
    APPLIED = "applied, but the answer was lost"
    ANSWERED = "answered, but not recorded"


@dataclass(frozen=True)
class CrashPoint:
    """One mutating call, counted from 1 over all lives of a rollout, and the moment around it."""

    call: int
    moment: Moment

    def __str__(self) -> str:
        return f"call {self.call}, {self.moment.value}"


@dataclass
class Fuse:
    """Counts mutating calls and ends the process at the chosen point. Survives the process."""

    point: CrashPoint | None = None
    calls: int = 0
    kill_before_record: bool = False
    killed: bool = False
    """Set by an event (SIGKILL); the process ends when it next does anything."""

    def check(self) -> None:
        """Ends the process if it was killed."""
        if self.killed:
            raise Killed

    def about_to_call(self) -> None:
        """A mutating call begins."""
        self.calls += 1
        self._end_at(Moment.BEFORE)

    def items_to_apply(self, items: int) -> int:
        """How many items of the batch are applied before the process ends."""
        return items // 2 if self._at(Moment.HALF) else items

    def applied(self) -> None:
        """The call has taken effect and its answer is on its way."""
        self._end_at(Moment.HALF)
        self._end_at(Moment.APPLIED)
        if self._at(Moment.ANSWERED):
            self.kill_before_record = True

    def about_to_record(self) -> None:
        """A record is about to be written to the journal."""
        if self.kill_before_record:
            self.kill_before_record = False
            raise Killed

    def _at(self, moment: Moment) -> bool:
        return self.point is not None and self.point.call == self.calls and self.point.moment is moment

    def _end_at(self, moment: Moment) -> None:
        if self._at(moment):
            raise Killed
