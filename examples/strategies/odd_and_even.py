"""A strategy of one's own, whole: first every other slot, then the rest, a window at a time.

Use it by path, `deployer rollout --strategy examples/strategies/odd_and_even.py:OddAndEven`, or install it as an
entry point of the group `deployer.strategies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.methods.work import in_flight, waiting, work
from deployer.model.moves import Move
from deployer.model.observation import Observation
from deployer.model.service import is_done


@dataclass(frozen=True)
class OddAndEven:
    """Works on every `step`-th slot first. A setting: `[fleet.web.rollout.settings] step = 3`."""

    step: int = 2

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with what is in flight, then starts what the window has room for."""
        names = sorted(slot.name for slot in seen.slots)
        first = set(names[:: max(self.step, 1)])
        first_done = all(is_done(seen, slot) for slot in seen.slots if slot.name in first)
        begun = in_flight(seen)
        free = max(seen.limits.window - len(begun), 0)
        next_ones = [slot for slot in waiting(seen) if first_done or slot.name in first]
        return work(seen, [*begun, *next_ones[:free]])
