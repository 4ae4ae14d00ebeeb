"""Strategies that break in mid-rollout, as a user's may: they raise, or return what no engine can carry out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import cast

from deployer.engine.loop import Decides
from deployer.model.moves import Move
from deployer.model.observation import Observation


class Breakage(Enum):
    """How a strategy breaks."""

    RAISES = "raises"
    EXITS = "exits"
    NOTHING = "returns nothing"
    NONSENSE = "returns nonsense"
    LATE = "raises after some moves"


@dataclass(frozen=True)
class Breaks:
    """A strategy breaks when it is asked for the `at`th time by one process, counted from 1."""

    how: Breakage
    at: int

    def __str__(self) -> str:
        return f"a strategy that {self.how.value} at its tick {self.at}"


@dataclass
class BrokenStrategy:
    """A strategy that works until it breaks. `broke` is told when it does."""

    inner: Decides
    breaks: Breaks
    broke: Callable[[], None]
    asked: int = 0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """What the strategy wants, until its tick has come."""
        self.asked += 1
        if self.asked < self.breaks.at:
            return self.inner.decide(seen)
        self.broke()
        match self.breaks.how:
            case Breakage.RAISES:
                raise KeyError("zone")
            case Breakage.EXITS:
                raise SystemExit(3)
            case Breakage.NOTHING:
                return cast("list[Move]", None)
            case Breakage.NONSENSE:
                return cast("list[Move]", [*self.inner.decide(seen), "drain i-1"])
            case Breakage.LATE:
                return cast("Sequence[Move]", self._late(seen))

    def _late(self, seen: Observation) -> Iterator[Move]:
        yield from self.inner.decide(seen)
        raise ZeroDivisionError("integer division or modulo by zero")
