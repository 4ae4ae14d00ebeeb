"""Canary: a few first, then more and more, with a soak and a verdict between the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.capacity import Amount
from deployer.model.moves import Move, Wait
from deployer.model.observation import Observation, Slot, Verdict
from deployer.model.service import is_done
from deployer.strategies.rolling import slide

DEFAULT_STEPS = (Amount(1), Amount(10, percent=True), Amount(50, percent=True), Amount.ALL)


@dataclass(frozen=True)
class Canary:
    """Brings the share of new instances to each of `steps` in turn; the last step is always the whole fleet.

    A step ends when its instances are done, have been in service for `soak` seconds, and the gates of the
    step (`after:10%`) all pass. Steps that come to the same number of instances are one.
    """

    steps: tuple[Amount, ...] = DEFAULT_STEPS
    soak: float = 0.0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Works on the present step, or waits at its end for the soak and the gates."""
        done = [slot for slot in seen.slots if is_done(seen, slot)]
        for step, goal in self.stages(len(seen.slots)):
            if len(done) < goal:
                begun = sum(1 for slot in seen.slots if slot.begun or is_done(seen, slot))
                return slide(seen, seen.limits.window, most=max(goal - begun, 0))
            held = self._held(seen, step, done[:goal])
            if held is not None and goal < len(seen.slots):
                return (held,)
        return slide(seen, seen.limits.window)

    def stages(self, total: int) -> list[tuple[str, int]]:
        """Each step's name and how many instances are new at its end: 1, 10 %, 50 %, all of 8 → 1, 4, 8."""
        found: list[tuple[str, int]] = []
        for step in (*self.steps, Amount.ALL):
            goal = min(max(step.up(total), 1), total)
            if not found or goal > found[-1][1]:
                found.append((str(step), goal))
        return found

    def _held(self, seen: Observation, step: str, done: Sequence[Slot]) -> Wait | None:
        name = f"after:{step}"
        last = max(slot.alive[0].in_service_since or seen.now for slot in done)
        if seen.now < last + self.soak and any(slot.begun for slot in done):
            return Wait(name, f"watches the first {len(done)}", last + self.soak)
        verdict = seen.gates.get(name, Verdict.PASS)
        return None if verdict is Verdict.PASS else Wait(name, f"the gates say {verdict.value}")
