"""Canary: a few first, then more and more, with a soak and a verdict between the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.model.capacity import Amount
from deployer.model.moves import Move
from deployer.model.observation import Observation
from deployer.model.plugin_fields import Seconds, SomeInstances
from deployer.strategies.contract import in_turn
from deployer.strategies.rolling import in_stages

DEFAULT_STEPS = (Amount(1), Amount(10, percent=True), Amount(50, percent=True), Amount.ALL)


@dataclass(frozen=True)
class Canary:
    """Brings the share of new instances to each of `steps` in turn; the last step is always the whole fleet.

    A step ends when its instances are done, have been in service for `soak` seconds, and the hooks and gates
    after the step (`10%`) all pass. Steps that come to the same number of instances are one.
    """

    steps: tuple[SomeInstances, ...] = DEFAULT_STEPS
    soak: Seconds = 0.0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Works on the present step, or waits at its end for the soak and the gates."""
        return in_stages(seen, self.stages(len(seen.slots)), soak=self.soak)

    def outline(self, total: int) -> Sequence[str]:
        """The steps by their ends, and what comes between them."""
        watched = f"; what is new is watched for {self.soak:g} s between the steps" if self.soak else ""
        return (f"until {in_turn([str(end) for _, end in self.stages(total)])} of {total} are new{watched}",)

    def stages(self, total: int) -> list[tuple[str, int]]:
        """Each step's name and how many instances are new at its end: 1, 10 %, 50 %, all of 8 → 1, 4, 8."""
        found: list[tuple[str, int]] = []
        for step in (*self.steps, Amount.ALL):
            goal = min(max(step.up(total), 1), total)
            if not found or goal > found[-1][1]:
                found.append((str(step), goal))
        return found
