"""What must be true of a world once a rollout has come to its end (promises 9 to 12, 17 and 18)."""

from __future__ import annotations

from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.fleet import Release, Tag, TargetState
from deployer.model.policy import Method
from deployer.sim.autoscaling import AutoGroup
from deployer.sim.faults import Fault
from deployer.sim.machines import Machine
from deployer.sim.setup import Setup
from deployer.sim.shelf import TwinShelf
from deployer.sim.witness import Witness
from deployer.sim.world import SECRET, Split, World

_UNNOTICED = 30.0
"""Seconds within which a deployer may not have noticed yet what somebody else did."""

ORDERLY = (Status.SUCCEEDED, Status.ROLLED_BACK)
"""How a rollout ends that has brought every place to where it is to be."""
_LEAVES_ALONE = frozenset(
    {
        Fault.THROTTLED,
        Fault.LAUNCH_ANSWER_LOST,
        Fault.TERMINATE_ANSWER_LOST,
        Fault.NO_CAPACITY,
        Fault.QUOTA,
        Fault.TOKEN_MISMATCH,
        Fault.NEVER_HEALTHY,
        Fault.WRONG_RELEASE,
        Fault.WALL_CLOCK_JUMPS,
        Fault.DISK_FULL,
        Fault.BUNDLE_DIFFERS,
        Fault.PART_REGISTERED,
        Fault.ROLLBACK_TARGET_GONE,
        Fault.SIGNALS,
        Fault.SECOND_ROLLOUT,
        Fault.NO_TRAFFIC,
        Fault.JOBS_UNKNOWN,
    }
)
"""Faults after which an orderly exit leaves everybody in service who could be."""


def check_end(witness: Witness, world: World, status: Status | None, shelf: TwinShelf) -> None:
    """Holds the promises that are about the end of a rollout."""
    _no_secret(witness, world, shelf)
    _all_recorded(witness, shelf)
    _apart(witness, world)
    if status in ORDERLY:
        goal = witness.plan.goal if status is Status.SUCCEEDED else witness.plan.previous
        _arrived(witness, world, goal)
    if status is None:
        witness.note(9, "no life of the rollout came to an end of its own")


def _apart(witness: Witness, world: World) -> None:
    """What is kept for a look is in no balancer that could send it anything."""
    for machine in world.kept():
        for group in world.groups.values():
            member = group.members.get(machine.id)
            if member is not None and member.state is not TargetState.DRAINING:
                witness.note(4, f"{machine.id} is kept for a look, and {group.balancer.name} may send it traffic")


def _no_secret(witness: Witness, world: World, shelf: TwinShelf) -> None:
    secret = SECRET.partition("=")[2]
    if secret.encode() in shelf.written():
        witness.note(17, "a secret stands in the journal")
    for machine in world.machines.values():
        if any(secret in value for value in machine.tags.values()):
            witness.note(17, f"a secret stands in a tag of {machine.id}")


def _all_recorded(witness: Witness, shelf: TwinShelf) -> None:
    """Every change that was answered to the last process stands in the journal by its request id."""
    written = shelf.written()
    for request in sorted(witness.owed):
        if request.encode() not in written:
            witness.note(18, f"the change that was answered by {request} has no audit record")


def _arrived(witness: Witness, world: World, release: Release) -> None:
    """Every slot has its one instance, in service on the release and its type; nothing else of ours is alive."""
    for machine in world.fleet():
        if _was_touched_by_others(witness, machine):
            continue
        if machine.foreign and not witness.shown.knows(machine):
            continue
        if machine.app.release != _expected(witness, machine, release).name:
            witness.note(10 if witness.rolling_back else 12, f"{machine.id} ends on {machine.app.release}")
        if release.instance_type not in (None, machine.type):
            witness.note(10 if witness.rolling_back else 12, f"{machine.id} ends as a {machine.type}")
        _healthy_everywhere(witness, world, machine)
        if machine.withdrawn and machine.healthy:
            witness.note(11, f"{machine.id} is left without work: it was told to take no more")
    for slot, found in _places(witness, world).items():
        if len(found) > 1:
            witness.note(9, f"{slot} ends with {', '.join(found)}")
    if world.split is not None:
        _all_at_one_side(witness, world.split, release)


def _expected(witness: Witness, machine: Machine, release: Release) -> Release:
    """What an instance is to end on, in a rollout that ends on this release."""
    if machine.foreign:
        return release
    return witness.goal_of(machine, back=release == witness.plan.previous)


def _healthy_everywhere(witness: Witness, world: World, machine: Machine) -> None:
    """What a balancer found only after the last look that was decided from could not be acted on."""
    for group in world.homes(machine):
        member = group.members.get(machine.id)
        if member is not None and member.since > witness.judged_until.get(group.balancer.id, 0.0):
            continue
        if member is None or member.state is not TargetState.HEALTHY:
            state = member.state.value if member is not None else "detached"
            witness.note(11, f"{machine.id} is left {state} at {group.balancer.name}")
        elif member.ports != group.places:
            found, before = (", ".join(map(str, sorted(ports))) for ports in (member.ports, group.places))
            witness.note(11, f"{machine.id} is left on port {found} at {group.balancer.name}, and was on {before}")


def _all_at_one_side(witness: Witness, split: Split, release: Release) -> None:
    """Whoever runs the release gets all of the traffic."""
    side = split.new if release.image == split.image else split.old
    if {ident for ident, weight in split.weights.items() if weight} != {side}:
        witness.note(11, f"traffic is left split as {split.weights}, expected all of it at {side}")


def check_rest(witness: Witness, world: World, setup: Setup) -> None:
    """However an orderly exit came about: what could serve is not left out of a balancer (promise 11).

    Only where nobody else takes instances out, and the calls that put them back can be made.
    """
    if any(planned.fault not in _LEAVES_ALONE for planned in setup.faults):
        return
    for machine in world.fleet():
        if not machine.healthy or machine.id in witness.given_up:
            continue
        away = [group.balancer.name for group in world.homes(machine) if machine.id not in group.members]
        if machine.withdrawn and world.jobs is not None:
            away.append("its queues")
        if away:
            witness.note(11, f"{machine.id} is left out of {', '.join(away)}")


def check_broken(witness: Witness, result: Result, *, held: bool, stop: int) -> None:
    """A strategy that broke ends its rollout in good order: with a reason, the fleet whole, and free again."""
    if stop:
        return  # the process was asked to stop as well, and says that instead
    if result.status not in (Status.FAILED, Status.ROLLED_BACK):
        witness.note(19, f"the strategy broke, and the rollout ended {result.status.value}")
    if "strategy" not in (result.reason or ""):
        witness.note(19, f"the strategy broke, and the reason given is {result.reason!r}")
    if held:
        witness.note(5, "the strategy broke, and the rollout kept the fleet")
    # One that failed in place stays out of service until it is updated again: that needs a hand.
    if witness.calm and not witness.given_up and result.exit_code is not ExitCode.FAILED_SAFE:
        witness.note(11, f"the strategy broke, nothing else did, and the exit code is {result.exit_code.name}")


def check_group(witness: Witness, auto: AutoGroup, status: Status) -> None:
    """However an orderly exit came about: the group is as it was (promise 11), and owns the fleet (promise 9)."""
    before, after = auto.before, auto.shape()
    for what, was, found in (
        ("suspended", sorted(before.suspended), sorted(after.suspended)),
        ("at least", before.least, after.least),
        ("at most", before.most, after.most),
        ("desired", before.desired + auto.by_others, after.desired),
    ):
        if was != found and not (what == "desired" and not witness.calm):
            witness.note(11, f"the group is left with {what} {found}, and had {was}")
    if status is not Status.INTERRUPTED:
        _check_source(witness, auto, status)
    for machine in witness.world.kept():
        if machine.id in auto.members:
            witness.note(9, f"{machine.id} is kept for a look, and still a member of the group")
    for machine in witness.serving():
        if machine.id not in auto.members:
            witness.note(9, f"{machine.id} serves, and is no member of the group")


def _check_source(witness: Witness, auto: AutoGroup, status: Status) -> None:
    """The group launches the release that was reached, by what it launched from before."""
    plan = witness.plan
    reached = status is Status.SUCCEEDED and plan.policy.method is Method.RELAUNCH
    image = (plan.goal if reached else plan.previous).image
    if auto.launches().image != image:
        witness.note(11, f"the group is left to launch {auto.launches().image}, expected {image}")
    if not reached and auto.version != auto.before.version:
        witness.note(11, f"the group is left on version {auto.version}, and was on {auto.before.version}")
    surplus = [number for number, version in auto.versions.items() if version.image != image and number > 1]
    if surplus:
        witness.note(11, f"version {', '.join(map(str, surplus))} of the template is left over")


def orphans(witness: Witness, world: World) -> tuple[str, ...]:
    """Instances of the fleet beyond the one that their place is for, apart from what others launched."""
    return tuple(ident for found in _places(witness, world).values() for ident in found[1:])


def _places(witness: Witness, world: World) -> dict[str, list[str]]:
    """Who is in each place, those in service first."""
    serving = {one.id for one in witness.serving()}
    planned = {slot.instance: slot.name for slot in witness.plan.slots}
    places: dict[str, list[str]] = {}
    for machine in sorted(world.fleet(), key=lambda one: one.id not in serving):
        if machine.foreign:
            continue
        slot = planned.get(machine.id) or machine.tags.get(Tag.SLOT) or machine.id
        places.setdefault(slot, []).append(machine.id)
    return places


def _was_touched_by_others(witness: Witness, machine: Machine) -> bool:
    """Somebody else's doing at the very end, which no deployer has seen yet."""
    when = witness.touched.get(machine.id)
    return machine.lost or (when is not None and witness.world.time.now - when < _UNNOTICED)
