"""Rolling: a window slides over the fleet; as soon as one slot is done the next may start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.capacity import Amount, growing_batches
from deployer.model.methods.work import in_flight, waiting, work
from deployer.model.moves import Move
from deployer.model.observation import Observation
from deployer.model.service import is_done


@dataclass(frozen=True)
class Rolling:
    """Keeps up to a window of slots in flight: `--batch 25%` of 8 is a window of 2.

    Several batches grow step by step: `batch = [1, "10%", "50%"]` of 20 is one instance, then two, then ten
    at a time, and a batch begins when the one before it is done.
    """

    batch: tuple[Amount, ...] = ()

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with what is in flight, and starts as many more as the window has free."""
        if len(self.batch) <= 1:
            return slide(seen, seen.limits.window)
        begun = sum(1 for slot in seen.slots if slot.begun or is_done(seen, slot))
        return slide(seen, seen.limits.window, most=max(self._stage_end(seen) - begun, 0))

    def _stage_end(self, seen: Observation) -> int:
        """How many slots may have been begun by now: all batches up to the first that is not done."""
        done = sum(1 for slot in seen.slots if is_done(seen, slot))
        end = 0
        for size in growing_batches(self.batch, len(seen.slots)):
            end += size
            if done < end:
                break
        return end


@dataclass(frozen=True)
class OneAtATime:
    """One slot after the other, whatever the batch says."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with the one in flight, or starts the next."""
        return slide(seen, 1)


@dataclass(frozen=True)
class ZoneByZone:
    """One availability zone after the other, each watched for `soak` seconds before the next begins.

    Within a zone the window slides as in `rolling`.
    """

    soak: float = 0.0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Works on the first zone that is not done and not under watch."""
        for zone in sorted({slot.zone for slot in seen.slots}):
            slots = [slot for slot in seen.slots if slot.zone == zone]
            if not all(is_done(seen, slot) for slot in slots):
                begun = [slot for slot in in_flight(seen) if slot.zone == zone]
                free = max(seen.limits.window - len(begun), 0)
                return work(seen, [*begun, *[s for s in waiting(seen) if s.zone == zone][:free]])
            last = max((slot.alive[0].in_service_since or seen.now for slot in slots), default=seen.now)
            if seen.now < last + self.soak and any(slot.begun for slot in slots):
                return ()
        return ()


def slide(seen: Observation, window: int, *, most: int | None = None) -> Sequence[Move]:
    """Moves for a sliding window of `window` slots, of which at most `most` are started now."""
    begun = in_flight(seen)
    free = max(window - len(begun), 0)
    if most is not None:
        free = min(free, most)
    return work(seen, [*begun, *waiting(seen)[:free]])
