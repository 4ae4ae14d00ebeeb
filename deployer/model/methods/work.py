"""The one function that strategies call: the next moves of the slots they chose."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.model.methods import in_place, relaunch
from deployer.model.methods.room import Room
from deployer.model.moves import GiveUp, Move
from deployer.model.observation import Observation, Slot
from deployer.model.policy import Method
from deployer.model.service import is_done, is_sick


def work(seen: Observation, slots: Iterable[Slot]) -> list[Move]:
    """The next moves of `slots`, in that order, within the room that floor and surge leave.

    A slot that is done yields nothing. The order decides who gets the room, so put first what matters most.
    """
    room = Room.of(seen)
    moves: list[Move] = []
    for slot in slots:
        if is_done(seen, slot):
            continue
        match seen.policy.method:
            case Method.RELAUNCH:
                moves += relaunch.advance(seen, slot, room)
            case Method.IN_PLACE:
                moves += in_place.advance(seen, slot, room)
    return moves


def strays(seen: Observation) -> list[Move]:
    """Gives up what we launched and what runs an image that nobody asked for, however healthy (fault 14)."""
    ours = ("", *(release.image for release in seen.releases))
    return [
        GiveUp(
            one.id,
            f"was launched from image {one.instance.image}, expected {seen.goal.image} (release {seen.goal.name})",
        )
        for _, one in seen.instances()
        if one.launched_by_us and one.failed is None and one.running and one.instance.image not in ours
    ]


def settle(seen: Observation) -> list[Move]:
    """The moves that bring every slot in flight back into service, starting nothing new (stance SETTLE)."""
    room = Room.of(seen)
    moves: list[Move] = []
    for slot in seen.slots:
        if not slot.begun or is_done(seen, slot):
            continue
        match seen.policy.method:
            case Method.RELAUNCH:
                moves += relaunch.settle(seen, slot, room)
            case Method.IN_PLACE:
                moves += in_place.settle(seen, slot, room)
    return moves


def in_flight(seen: Observation) -> list[Slot]:
    """The slots that were begun and are not done, those in service trouble first."""
    return [slot for slot in seen.slots if slot.begun and not is_done(seen, slot)]


def waiting(seen: Observation) -> list[Slot]:
    """The slots that have not been begun and are not done, in the order in which they had best start.

    Free capacity first: an empty slot or a sick old instance costs nothing to replace. Then the slowest
    expected, so that the last to end is not also the last to start; then zone by zone in turn.
    """
    todo = [slot for slot in seen.slots if not slot.begun and not is_done(seen, slot)]
    turn: dict[str, int] = {}
    ranked = []
    for slot in sorted(todo, key=lambda s: s.name):
        turn[slot.zone] = turn.get(slot.zone, 0) + 1
        free = not slot.alive or all(is_sick(one) for one in slot.alive)
        slow = -seen.expected_seconds.get(slot.name, 0.0)
        ranked.append(((not free, slow, turn[slot.zone], slot.zone, slot.name), slot))
    return [slot for _, slot in sorted(ranked, key=lambda pair: pair[0])]
