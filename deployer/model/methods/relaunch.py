"""Method relaunch: a fresh instance of the goal's image takes the slot over from whatever is in it.

With surge the successor comes first: launch → running → answers with the release → attach → healthy → soak,
then the predecessor is drained and terminated. Without surge the predecessor makes room first, as far as
the floor allows. Rolling back is the same function with the goal turned round: a predecessor that is still
there, drained or not, is then the one on the goal, and is simply attached again.
"""

from __future__ import annotations

from deployer.model.holds import starts_barred
from deployer.model.methods.room import Room
from deployer.model.methods.steps import attach_again, bring_up, retire
from deployer.model.moves import Launch, Move, Wait
from deployer.model.observation import Observation, Seen, Slot
from deployer.model.service import has_weight, in_service, is_proven


def advance(seen: Observation, slot: Slot, room: Room) -> list[Move]:
    """The next moves of a slot towards the goal."""
    successor = _successor(seen, slot)
    rest = [one for one in slot.alive if successor is None or one.id != successor.id]
    if successor is None:
        return _make_way(seen, slot, rest, room)
    step = bring_up(seen, successor)
    moves = [step] if step is not None else []
    ready = is_proven(seen, successor)
    for one in rest:
        if ready or one.failed is not None:
            leave = retire(seen, one, room)
            moves += [leave] if leave is not None else []
    return moves


def settle(seen: Observation, slot: Slot, room: Room) -> list[Move]:
    """The shortest way back into service for a slot in flight: forward if the successor is there, else back.

    A successor on a side that gets no traffic is not there: settling shifts none. Nor is a predecessor to go back
    to whose side gets none any more: then its successor serves in its place, and is given the time to prove itself.
    A slot with nobody to go back to stays empty where nothing new may be started: that needs somebody's hand.
    """
    successor = _successor(seen, slot)
    if successor is not None and is_proven(seen, successor) and has_weight(seen.weights, successor):
        return advance(seen, slot, room)
    old = next((one for one in slot.alive if not one.launched_by_us and one.running), None)
    if successor is not None and old is not None and _has_taken_over(seen, successor, old):
        return advance(seen, slot, room)
    if old is None and (successor is not None or starts_barred(seen) is None):
        return advance(seen, slot, room)
    moves: list[Move] = []
    if old is not None and not in_service(seen, old):
        step = attach_again(seen, old)
        moves += [step] if step is not None else []
    for one in slot.alive:
        if one.launched_by_us:
            leave = retire(seen, one, room)
            moves += [leave] if leave is not None else []
    return moves


def _has_taken_over(seen: Observation, successor: Seen, old: Seen) -> bool:
    """Whether traffic was shifted from the predecessor's side to the successor's, and that one was not given up on.

    It need not be in service at this very look: its predecessor is not either, and settling does not bring it back.
    """
    return successor.failed is None and has_weight(seen.weights, successor) and not has_weight(seen.weights, old)


def _successor(seen: Observation, slot: Slot) -> Seen | None:
    """The occupant on the goal that is furthest on; the others on the goal are surplus."""
    ranked = sorted(
        (one for one in slot.alive if seen.on_goal(one)),
        key=lambda one: (not is_proven(seen, one), one.in_service_since is None, not one.running, one.id),
    )
    return ranked[0] if ranked else None


def _make_way(seen: Observation, slot: Slot, rest: list[Seen], room: Room) -> list[Move]:
    """No successor yet: launch one if one more may exist, else let the predecessor make room."""
    moves: list[Move] = []
    failed = [one for one in rest if one.failed is not None]
    for one in failed:
        leave = retire(seen, one, room)
        moves += [leave] if leave is not None else []
    if slot.launching:
        return [*moves, Wait(slot.name, "a launch was asked for; its outcome is not known yet")]
    if slot.blocked is not None:
        return [*moves, Wait(slot.name, slot.blocked)]
    barred = starts_barred(seen)
    if barred is not None:
        return [*moves, Wait(slot.name, f"nothing new is started: {barred}")]
    if room.may_launch():
        room.launch()
        return [*moves, Launch(slot.name)]
    old = [one for one in rest if one.failed is None]
    if not old:
        return [*moves, Wait(slot.name, f"waits: one more would exceed the surge of {seen.limits.surge}")]
    for one in old:
        leave = retire(seen, one, room)
        moves += [leave] if leave is not None else []
    return moves
