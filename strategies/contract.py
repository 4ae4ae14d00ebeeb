"""What a strategy is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

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
