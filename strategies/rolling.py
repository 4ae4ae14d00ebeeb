"""Rolling: a window slides over the fleet; as soon as one slot is done the next may start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from deployer.model.capacity import Amount, growing_batches
from deployer.model.holds import held_at_step
from deployer.model.methods.work import in_flight, waiting, work
from deployer.model.moves import Move, Wait
from deployer.model.observation import Observation, Slot
from deployer.model.occasions import STEP_POINTS, Point
from deployer.model.plugin_fields import Seconds, SomeInstances
from deployer.model.service import is_done
from deployer.strategies.contract import in_turn


@dataclass(frozen=True)
class Rolling:
    """Keeps up to a window of slots in flight: `--batch 25%` of 8 is a window of 2.

    Several batches grow step by step: `batch = [1, "10%", "50%"]` of 20 is one instance, then two, then ten
    at a time, and a batch begins when the one before it is done. So it does, too, where hooks or gates stand
    between the steps: then each batch is one.
    """

    batch: tuple[SomeInstances, ...] = ()

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with what is in flight, and starts as many more as the window has free."""
        if len(self.batch) <= 1 and not has_step_hooks(seen):
            return slide(seen, seen.limits.window)
        sizes = growing_batches(self.batch or (Amount(seen.limits.window),), len(seen.slots))
        ends = accumulate(sizes)
        return in_stages(seen, [(f"batch {number}", end) for number, end in enumerate(ends, 1)])

    def outline(self, total: int) -> Sequence[str]:
        """Batches that grow; a plain window is told by the plan itself."""
        if len(self.batch) <= 1:
            return ()
        sizes = [str(size) for size in growing_batches(self.batch, total)]
        return (f"replace {in_turn(sizes)} of {total}, each batch when the one before is done",)


@dataclass(frozen=True)
class OneAtATime:
    """One slot after the other, whatever the batch says."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Goes on with the one in flight, or starts the next."""
        if not has_step_hooks(seen):
            return slide(seen, 1)
        return in_stages(seen, [(f"instance {n}", n) for n in range(1, len(seen.slots) + 1)], window=1)

    def outline(self, total: int) -> Sequence[str]:
        """One after the other."""
        return (f"replace {total} instances, one after the other",)


@dataclass(frozen=True)
class ZoneByZone:
    """One availability zone after the other, each watched for `soak` seconds before the next begins.

    Within a zone the window slides as in `rolling`.
    """

    soak: Seconds = 0.0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Works on the first zone that is not done and not under watch."""
        for zone in sorted({slot.zone for slot in seen.slots}):
            slots = [slot for slot in seen.slots if slot.zone == zone]
            if not all(is_done(seen, slot) for slot in slots):
                begun = [slot for slot in in_flight(seen) if slot.zone == zone]
                hold = None if begun else held_at_step(seen, Point.BEFORE_STEP, zone)
                if hold is not None:
                    return (hold,)
                free = max(seen.limits.window - len(begun), 0)
                return work(seen, [*begun, *[s for s in waiting(seen) if s.zone == zone][:free]])
            last = max((slot.alive[0].in_service_since or seen.now for slot in slots), default=seen.now)
            if seen.now < last + self.soak and any(slot.begun for slot in slots):
                return (Wait(f"after:{zone}", "watches the zone", last + self.soak),)
            hold = held_at_step(seen, Point.AFTER_STEP, zone)
            if hold is not None and not all(is_done(seen, slot) for slot in seen.slots):
                return (hold,)
        return ()

    def outline(self, total: int) -> Sequence[str]:
        """The zones, and how long each is watched."""
        watched = f", each watched for {self.soak:g} s" if self.soak else ""
        return (f"replace {total} instances, one availability zone after the other{watched}",)


def has_step_hooks(seen: Observation) -> bool:
    """Whether hooks or gates stand between the steps, so that there have to be steps."""
    return not seen.hooked.isdisjoint(STEP_POINTS)


def in_stages(
    seen: Observation, stages: Sequence[tuple[str, int]], *, soak: float = 0.0, window: int | None = None
) -> Sequence[Move]:
    """Moves for stages, each with its name and how many slots are done at its end; the last one ends with all.

    Between two stages the hooks and gates of both are waited for, and `soak` seconds, in which what is done so
    far is watched. What comes after the last stage is the rollout's own: its final soak.
    """
    done = [slot for slot in seen.slots if is_done(seen, slot)]
    begun = sum(1 for slot in seen.slots if slot.begun or is_done(seen, slot))
    width, start = window or seen.limits.window, 0
    for step, end in stages:
        if len(done) < end:
            hold = held_at_step(seen, Point.BEFORE_STEP, step) if begun <= start else None
            return (hold,) if hold is not None else slide(seen, width, most=max(end - begun, 0))
        hold = _watched(seen, step, done[:end], soak) if end < len(seen.slots) else None
        if hold is not None:
            return (hold,)
        start = end
    return slide(seen, width)


def _watched(seen: Observation, step: str, done: Sequence[Slot], soak: float) -> Wait | None:
    last = max(slot.alive[0].in_service_since or seen.now for slot in done)
    if seen.now < last + soak and any(slot.begun for slot in done):
        return Wait(f"after:{step}", f"watches the first {len(done)}", last + soak)
    return held_at_step(seen, Point.AFTER_STEP, step)


def slide(seen: Observation, window: int, *, most: int | None = None) -> Sequence[Move]:
    """Moves for a sliding window of `window` slots, of which at most `most` are started now."""
    begun = in_flight(seen)
    free = max(window - len(begun), 0)
    if most is not None:
        free = min(free, most)
    return work(seen, [*begun, *waiting(seen)[:free]])
