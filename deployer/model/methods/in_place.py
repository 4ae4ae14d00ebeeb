"""Method in-place: the same instance, drained, updated by its AppSpec, checked and attached again."""

from __future__ import annotations

from deployer.model.holds import starts_barred
from deployer.model.methods.room import Room
from deployer.model.methods.steps import attach_again, bring_up, put_back, take_out
from deployer.model.moves import GiveUp, Move, Stage, Update, Wait
from deployer.model.observation import Observation, Seen, Slot, Work
from deployer.model.service import in_service, is_given_work


def advance(seen: Observation, slot: Slot, room: Room) -> list[Move]:
    """The next moves of a slot towards the goal."""
    moves = [_next(seen, one, room) for one in slot.alive]
    if not slot.alive:
        return [Wait(slot.name, "its instance is gone; method in-place launches none")]
    return [move for move in moves if move is not None]


def settle(seen: Observation, slot: Slot, room: Room) -> list[Move]:
    """The shortest way back into service: an update that has begun is finished, one that has not is let be."""
    moves: list[Move | None] = []
    for one in slot.alive:
        if one.install.work in (Work.RUNNING, Work.DONE) or seen.on_goal(one):
            moves.append(_next(seen, one, room))
        elif one.failed is not None:
            moves.append(put_back(seen, one) if one.unharmed else None)
        elif not in_service(seen, one):
            moves.append(attach_again(seen, one))
    return [move for move in moves if move is not None]


def _next(seen: Observation, one: Seen, room: Room) -> Move | None:
    if one.failed is not None and one.unharmed:
        return put_back(seen, one)
    if one.failed is not None:
        return take_out(seen, one, room) if one.spoilt else None
    install = one.install
    if install.work is Work.RUNNING:
        return _running(seen, one)
    if seen.on_goal(one) or (install.work is Work.DONE and install.digest == seen.goal_of(one).digest):
        return bring_up(seen, one)
    broken = _install_broke(seen, one)
    if broken is not None:
        return broken
    if one.answer is None and one.running:
        return Wait(one.id, "asked which release it serves, which may be the goal already")
    barred = starts_barred(seen)
    if barred is not None:
        return Wait(one.id, f"nothing new is started: {barred}")
    serves = is_given_work(seen, one)
    if serves and one.running and one.staged.work is not Work.DONE:
        return _stage(seen, one)
    return take_out(seen, one, room) or Update(one.id)


def _install_broke(seen: Observation, one: Seen) -> GiveUp | None:
    """An installation of the goal that did not end well; one of another release says nothing of this one."""
    if not one.install.is_of(seen.goal_of(one).name):
        return None
    match one.install.work:
        case Work.FAILED:
            return GiveUp(one.id, f"release {seen.goal_of(one).name} could not be installed: {one.install.detail}")
        case Work.UNKNOWN:
            what = f"the outcome of installing release {seen.goal_of(one).name} is unknown"
            return GiveUp(one.id, f"{what}: {one.install.detail}")
        case _:
            return None


def _stage(seen: Observation, one: Seen) -> Move:
    """The bundle is on the host, and checked there, before the instance leaves service (fault 48)."""
    match one.staged.work:
        case Work.RUNNING:
            return Wait(one.id, f"receives release {seen.goal_of(one).name}")
        case Work.FAILED | Work.UNKNOWN:
            return GiveUp(one.id, f"release {seen.goal_of(one).name} did not arrive: {one.staged.detail}")
        case Work.NONE | Work.DONE:
            return Stage(one.id)


def _running(seen: Observation, one: Seen) -> Move:
    end = one.since + seen.policy.deadlines.install
    if seen.now >= end:
        return GiveUp(one.id, f"installing took longer than {seen.policy.deadlines.install:g} s")
    return Wait(one.id, f"installs release {seen.goal_of(one).name}", end)
