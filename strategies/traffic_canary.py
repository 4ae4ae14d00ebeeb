"""Canary by weight: the new side gets a growing share of the traffic, with a soak and a verdict between the steps.

Needs a listener that splits its traffic between two target groups. The old side stays whole until the new one has
all of the traffic and has kept it for a while, so the way back is one change of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from deployer.model.capacity import Amount
from deployer.model.holds import held_at_step
from deployer.model.methods.room import Room
from deployer.model.methods.steps import bring_up, retire
from deployer.model.moves import Launch, Move, Wait, Weigh
from deployer.model.observation import Observation, Seen, Slot
from deployer.model.occasions import Point
from deployer.model.plugin_fields import Seconds, SomeInstances
from deployer.model.service import is_proven
from deployer.strategies.contract import in_turn

DEFAULT_STEPS = (Amount(5, percent=True), Amount(25, percent=True), Amount(50, percent=True))


@dataclass(frozen=True)
class TrafficCanary:
    """Gives the new side each share of `steps` in turn, then everything, and keeps the old side for `keep` seconds.

    A step needs as large a share of the fleet in new instances as it sends them traffic. It ends when it has
    lasted `soak` seconds and the hooks and gates after it (`25%`) pass.
    """

    shifts_traffic: ClassVar[bool] = True
    needs_split: ClassVar[bool] = True

    steps: tuple[SomeInstances, ...] = DEFAULT_STEPS
    soak: Seconds = 0.0
    keep: Seconds = 0.0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """Works on the present step: instances first, then their share, then the wait."""
        if seen.sides is None:
            return (Wait("traffic", "no listener splits traffic between two target groups of this fleet"),)
        room = Room.of(seen)
        leave = [retire(seen, one, room) for _, one in seen.instances() if one.alive and one.failed is not None]
        return [*(move for move in leave if move is not None), *self._step(seen, room)]

    def outline(self, total: int) -> Sequence[str]:
        """The shares of traffic, and how long each lasts."""
        shares = in_turn([*(str(step) for step in self.steps), "all"])
        lasts = f"each step lasts at least {self.soak:g} s, and has as large a share of the instances"
        return (
            f"give the new side {shares} of the traffic of {total}; {lasts}",
            f"keep the old side for {self.keep:g} s, in case of a rollback",
        )

    def _step(self, seen: Observation, room: Room) -> Sequence[Move]:
        share = seen.weights.get(seen.goal_side or "", 0)
        for step in (*self.steps, Amount.ALL):
            part = step.value if step.percent else round(100 * step.value / max(len(seen.slots), 1))
            part = min(max(part, 1), 100)
            missing = _bring_up(seen, max(step.up(len(seen.slots)), 1), room)
            if missing:
                return missing
            if share < part:
                hold = held_at_step(seen, Point.BEFORE_STEP, str(step))
                return (hold or _shares(seen, part),)
            held = self._held(seen, str(step)) if share == part else None
            if held is not None:
                return (held,)
        return self._let_go(seen, room)

    def _held(self, seen: Observation, step: str) -> Wait | None:
        if seen.now < seen.weights_since + self.soak:
            return Wait(f"after:{step}", "watches the share of traffic", seen.weights_since + self.soak)
        return held_at_step(seen, Point.AFTER_STEP, step)

    def _let_go(self, seen: Observation, room: Room) -> Sequence[Move]:
        if seen.now < seen.weights_since + self.keep:
            return (Wait("old side", "kept, in case of a rollback", seen.weights_since + self.keep),)
        old = [one for slot in seen.slots for one in slot.alive if not seen.on_goal(one) and one.failed is None]
        moves = [retire(seen, one, room) for one in old]
        return [move for move in moves if move is not None]


def _new(seen: Observation, slot: Slot) -> Seen | None:
    return next((one for one in slot.alive if seen.on_goal(one)), None)


def _bring_up(seen: Observation, needed: int, room: Room) -> list[Move]:
    """What is still to be done for `needed` proven new instances; nothing when they are there."""
    moves: list[Move] = []
    for slot in sorted(seen.slots, key=lambda slot: (_new(seen, slot) is None, slot.name))[:needed]:
        one = _new(seen, slot)
        if one is not None:
            step = bring_up(seen, one)
            if step is not None or not is_proven(seen, one):
                moves.append(step or Wait(one.id, "is not proven yet"))
        elif slot.launching or slot.blocked is not None:
            moves.append(Wait(slot.name, slot.blocked or "a launch was asked for; its outcome is not known yet"))
        elif room.may_launch():
            room.launch()
            moves.append(Launch(slot.name))
        else:
            moves.append(Wait(slot.name, f"waits: one more would exceed the surge of {seen.limits.surge}"))
    return moves


def _shares(seen: Observation, part: int) -> Weigh:
    goal = seen.goal_side or ""
    return Weigh(tuple(sorted((arn, part if arn == goal else 100 - part) for arn in seen.weights)))
