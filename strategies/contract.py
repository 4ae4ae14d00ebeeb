"""What a strategy is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from deployer.model.moves import Move
from deployer.model.observation import Observation


class Strategy(Protocol):
    """A frozen dataclass with its settings, and one pure method.

    The engine calls `decide` once a tick with everything that was seen. It returns what it wants done now;
    the guard lets through what keeps the promises. A strategy keeps no state: what it did before shows in
    the next observation.
    """

    def decide(self, seen: Observation) -> Sequence[Move]:
        """From what is seen to what is wanted now. No I/O, no sleep; the time is `seen.now`."""
        ...


@runtime_checkable
class Outlined(Protocol):
    """A strategy that can say its course beforehand. Optional: `deployer plan` shows it."""

    def outline(self, total: int) -> Sequence[str]:
        """The course over a fleet of `total` instances, in short sentences."""
        ...


def in_turn(names: Sequence[str]) -> str:
    """`1, then 4, then 8`."""
    return ", then ".join(names)
