"""Rolling: a window slides over the fleet; as soon as one slot is done the next may start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.methods.work import in_flight, waiting, work
from deployer.model.moves import Move
from deployer.model.observation import Observation


@dataclass(frozen=True)
class Rolling:
    """Keeps up to `seen.limits.window` slots in flight: `--batch 25%` of 8 is a window of 2."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with what is in flight, and starts as many more as the window has free."""
        return slide(seen, seen.limits.window)


@dataclass(frozen=True)
class OneAtATime:
    """One slot after the other, whatever the batch says."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with the one in flight, or starts the next."""
        return slide(seen, 1)


def slide(seen: Observation, window: int) -> Sequence[Move]:
    """Moves for a sliding window of `window` slots."""
    begun = in_flight(seen)
    free = max(window - len(begun), 0)
    return work(seen, [*begun, *waiting(seen)[:free]])
