"""Blue/green: a whole new fleet beside the old one, verified without traffic, switched at once, the old one kept.

With two weighted target groups the switch is a change of weights. With one group, or a classic ELB, it is a
registration: all green instances are attached together, and the blue ones drained when the green ones are proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from deployer.model.holds import held_at_step
from deployer.model.methods.room import Room
from deployer.model.methods.steps import bring_up, retire, take_out
from deployer.model.moves import Attach, Launch, Move, Wait, Weigh
from deployer.model.observation import Observation, Seen, Slot
from deployer.model.occasions import Point
from deployer.model.plugin_fields import Seconds
from deployer.model.service import is_proven


@dataclass(frozen=True)
class BlueGreen:
    """Launches all of green, switches when all of it is ready, keeps blue for `keep` seconds, then retires it.

    Hooks and gates after the step `green` come before green gets any traffic, those after `switch` before blue
    is retired.
    """

    shifts_traffic: ClassVar[bool] = True

    keep: Seconds = 0.0

    def decide(self, seen: Observation) -> Sequence[Move]:
        """The next moves of whichever phase the fleet is in; the phase is read off what is seen."""
        room = Room.of(seen)
        green = [(slot, _green(seen, slot)) for slot in seen.slots]
        gone = [leave for slot in seen.slots for leave in _failed(seen, slot, room)]
        missing = [slot for slot, one in green if one is None]
        if missing:
            ready = [step for _, one in green if one is not None for step in _without_traffic(seen, one)]
            return [*gone, *ready, *_launches(seen, missing, room)]
        fleet = [one for _, one in green if one is not None]
        steps = [bring_up(seen, one) for one in fleet]
        moves = [step for step in steps if step is not None]
        if moves and not _may_attach(seen, moves):
            moves = [step for step in moves if not isinstance(step, Attach)]
        elif not seen.weights and any(isinstance(step, Attach) for step in moves):
            hold = held_at_step(seen, Point.AFTER_STEP, "green")
            moves = [hold] if hold is not None else moves
        if moves or not all(is_proven(seen, one) for one in fleet):
            return [*gone, *moves]
        return [*gone, *self._switch(seen, fleet, room)]

    def outline(self, total: int) -> Sequence[str]:
        """All of green, the switch, and how long blue is kept."""
        return (
            f"launch all {total} beside the old ones, without traffic, and ask each for its release",
            "give all of them the traffic at once, when every one is ready",
            f"keep the old ones for {self.keep:g} s, in case of a rollback",
        )

    def _switch(self, seen: Observation, fleet: Sequence[Seen], room: Room) -> list[Move]:
        """Green is proven: give it the traffic, keep blue for a while, then let it go."""
        weights = _weights_for(seen)
        if weights is not None:
            return [held_at_step(seen, Point.AFTER_STEP, "green") or Weigh(weights)]
        blue = [one for slot in seen.slots for one in slot.alive if not seen.on_goal(one) and one.failed is None]
        outs = [take_out(seen, one, room) for one in blue] if not seen.weights else []
        leaving = [move for move in outs if move is not None]
        if leaving:
            return leaving
        since = max((one.in_service_since or seen.now for one in fleet), default=seen.now)
        drained = max((one.detached_since or since for one in blue), default=since)
        if seen.now < drained + self.keep:
            return [Wait("blue", "kept, in case of a rollback", drained + self.keep)]
        hold = held_at_step(seen, Point.AFTER_STEP, "switch") if blue else None
        if hold is not None:
            return [hold]
        moves = [retire(seen, one, room) for one in blue]
        return [move for move in moves if move is not None]


def _green(seen: Observation, slot: Slot) -> Seen | None:
    return next((one for one in slot.alive if seen.on_goal(one)), None)


def _failed(seen: Observation, slot: Slot, room: Room) -> list[Move]:
    """Green instances that were given up on leave at once; they carry nothing."""
    moves = [retire(seen, one, room) for one in slot.alive if one.failed is not None]
    return [move for move in moves if move is not None]


def _launches(seen: Observation, missing: Sequence[Slot], room: Room) -> list[Move]:
    moves: list[Move] = []
    for slot in missing:
        if slot.launching:
            moves.append(Wait(slot.name, "a launch was asked for; its outcome is not known yet"))
        elif slot.blocked is not None:
            moves.append(Wait(slot.name, slot.blocked))
        elif not room.may_launch():
            moves.append(Wait(slot.name, f"waits: one more would exceed the surge of {seen.limits.surge}"))
        else:
            room.launch()
            moves.append(Launch(slot.name))
    return moves


def _without_traffic(seen: Observation, one: Seen) -> list[Move]:
    """What brings a green instance up to, but not into, service."""
    step = bring_up(seen, one)
    if step is None or (isinstance(step, Attach) and not seen.weights):
        return []
    return [step]


def _may_attach(seen: Observation, moves: Sequence[Move]) -> bool:
    """With one group, green goes in together: only when nobody has yet to answer."""
    return bool(seen.weights) or all(isinstance(move, Attach) or _is_attached(seen, move) for move in moves)


def _is_attached(seen: Observation, move: Move) -> bool:
    one = seen.find(move.subject) if isinstance(move, Wait) else None
    return one is not None and (one.registered_anywhere or one.expecting is not None)


def _weights_for(seen: Observation) -> tuple[tuple[str, int], ...] | None:
    """The weights that give green everything; None where there are no weights or they are so already."""
    if not seen.weights:
        return None
    wanted = {arn: 100 if arn == seen.goal_side else 0 for arn in seen.weights}
    return None if dict(seen.weights) == wanted else tuple(sorted(wanted.items()))
