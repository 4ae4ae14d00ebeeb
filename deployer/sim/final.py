"""What must be true of a world once a rollout has come to its end (promises 9 to 12, 17 and 18)."""

from __future__ import annotations

from deployer.engine.result import Status
from deployer.model.fleet import Tag, TargetState
from deployer.model.policy import Keep
from deployer.sim.machines import Machine
from deployer.sim.shelf import TwinShelf
from deployer.sim.witness import Witness
from deployer.sim.world import SECRET, World

_ORDERLY = (Status.SUCCEEDED, Status.ROLLED_BACK)


def check_end(witness: Witness, world: World, status: Status | None, shelf: TwinShelf) -> None:
    """Holds the promises that are about the end of a rollout."""
    _no_secret(witness, world, shelf)
    if status in _ORDERLY:
        goal = witness.plan.goal if status is Status.SUCCEEDED else witness.plan.previous
        _arrived(witness, world, goal.name)
    if status is None:
        witness.note(9, "no life of the rollout came to an end of its own")


def _no_secret(witness: Witness, world: World, shelf: TwinShelf) -> None:
    secret = SECRET.partition("=")[2]
    if secret.encode() in shelf.written():
        witness.note(17, "a secret stands in the journal")
    for machine in world.machines.values():
        if any(secret in value for value in machine.tags.values()):
            witness.note(17, f"a secret stands in a tag of {machine.id}")


def _arrived(witness: Witness, world: World, release: str) -> None:
    """Every slot has its one instance, in service on the release; nothing else of ours is alive."""
    for machine in world.fleet():
        if _is_kept(witness, machine) or _was_touched_by_others(witness, machine):
            continue
        if machine.foreign and not _was_shown(witness, machine):
            continue
        if machine.app.release != release:
            witness.note(10 if witness.rolling_back else 12, f"{machine.id} ends on {machine.app.release}")
        for group in world.groups.values():
            member = group.members.get(machine.id)
            if member is None or member.state is not TargetState.HEALTHY:
                state = member.state.value if member is not None else "detached"
                witness.note(11, f"{machine.id} is left {state} at {group.balancer.name}")
    _no_surplus(witness, world)


def _was_shown(witness: Witness, machine: Machine) -> bool:
    """Whether the last look showed it."""
    return witness.sighting is not None and any(one.id == machine.id for one in witness.sighting.instances)


def _no_surplus(witness: Witness, world: World) -> None:
    slots: dict[str, list[str]] = {}
    planned = {slot.instance: slot.name for slot in witness.plan.slots}
    for machine in world.fleet():
        if _is_kept(witness, machine) or machine.foreign:
            continue
        slot = planned.get(machine.id) or machine.tags.get(Tag.SLOT) or machine.id
        slots.setdefault(slot, []).append(machine.id)
    for slot, found in slots.items():
        if len(found) > 1:
            witness.note(9, f"{slot} ends with {', '.join(found)}")


def _is_kept(witness: Witness, machine: Machine) -> bool:
    """Failed, and kept for a look, as was asked."""
    return machine.id in witness.given_up and witness.plan.policy.failed_instances is Keep.KEEP


def _was_touched_by_others(witness: Witness, machine: Machine) -> bool:
    """Somebody else's doing at the very end, which no deployer has seen yet."""
    return machine.lost or machine.id in witness.touched
