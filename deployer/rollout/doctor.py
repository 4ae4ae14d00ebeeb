"""`deployer doctor`: what speaks against a rollout, and what an earlier one left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.aws.images import AwsImages
from deployer.aws.leftovers import AwsLeftovers
from deployer.bake.ports import ImageState
from deployer.config.settings import FleetSettings
from deployer.engine.reports import Diagnosis, Leftover
from deployer.model.observation import Answer
from deployer.model.outcome import Done
from deployer.rollout.at_rest import RECENT, rest_of
from deployer.rollout.connections import ask_members, datagrams, elsewhere, unseen, unused_lame_duck
from deployer.rollout.group.leftovers import group_leftovers
from deployer.rollout.kept import look_after_kept
from deployer.rollout.preparation import Ground, Prepared, on_ground, survey
from deployer.rollout.remedies import Remedies, past_of
from deployer.rollout.strays import Grounds, misplaced, split_traffic
from deployer.rollout.wiring import Wiring


def doctor(settings: FleetSettings, *, leftovers_only: bool, undo: bool, end_kept: bool = False) -> Diagnosis:
    """Looks, and with `undo` puts right what no open rollout is responsible for. Raises DeployerError.

    With `end_kept` as well, what failed and was kept for a look is ended.
    """
    with on_ground(Wiring(settings)) as ground:
        open_one = _open_rollout(ground)
        undo = undo and open_one is None
        found = [*([open_one] if open_one is not None else []), *_in_aws(ground, undo=undo)]
        kept = tuple(look_after_kept(ground, undo=undo, end=undo and end_kept))
        if leftovers_only:
            return Diagnosis(settings.name, (), tuple(found), kept)
        mended = any(one.undone for one in found)
        fleet = ground.wiring.find() if mended else ground.found
        ready = survey(ground)
        problems, remarks = _on_hosts(ground, ready.answers)
        unrest, strange = _unrest(ready) if open_one is None else ([], [])
        problems, remarks = [*fleet.problems, *unrest, *problems], [*strange, *remarks]
        return Diagnosis(settings.name, tuple(problems), tuple(found), kept, tuple(remarks))


def _unrest(ready: Prepared) -> tuple[list[str], list[str]]:
    """What speaks of a rollout that this store does not have: several releases, and tags of rollouts not known."""
    wiring, fleet = ready.ground.wiring, ready.plan.fleet
    rest = rest_of(ready.look(), [one.rollout for one in wiring.store().rollouts(fleet, RECENT)])
    known = f"; {rest.unknown}, so it may have been lost in mid-way, and the fleet larger than before"
    if len(rest.releases) > 1:
        return [f"{rest.shares}, and no rollout is open{known if rest.unknown else ''}"], []
    return [], [rest.unknown] if rest.unknown else []


def _on_hosts(ground: Ground, answers: Mapping[str, Answer]) -> tuple[list[str], list[str]]:
    """What a rollout would notice only later: what speaks against it, and what makes its drains long."""
    settings, balancers, sighting = ground.wiring.settings, ground.found.balancers, ground.sight()
    problems = list[str]()
    remarks = [
        *unused_lame_duck(settings, balancers),
        *elsewhere(balancers, sighting, settings.health.port),
        *datagrams(balancers),
    ]
    sick = sorted(ident for ident, answer in answers.items() if not answer.ok)
    if sick:
        health = settings.health
        problems.append(f"{', '.join(sick)} did not answer the health path {health.path} on port {health.port}")
    if settings.ssh.ask_hosts:
        shown = ask_members(ground, sighting)
        closed = shown.closed()
        if closed:
            first = min(closed)
            problems.append(
                f"{len(closed)} of {len(shown.sent_to)} hosts cannot be asked over SSH, so no release can be "
                f"installed there and a drain lasts the whole deregistration delay; {first}: {closed[first]}"
            )
        remarks += unseen(balancers, shown)
    return problems, remarks


def _open_rollout(ground: Ground) -> Leftover | None:
    """A rollout that neither runs nor came to its end, or a lease that nobody uses any more."""
    store, fleet = ground.wiring.store(), ground.wiring.settings.name
    entry, holder = store.last_rollout(fleet), store.holder(fleet)
    if entry is not None and not entry.finished:
        return Leftover(
            "rollout",
            entry.rollout,
            "is open; unless it still runs, `deployer resume` goes on and `deployer abort` turns back",
        )
    if holder is not None:
        return Leftover(
            "lease",
            holder.rollout,
            f"the fleet is held by {holder.owner}; `deployer unlock` frees it if that is dead",
        )
    return None


def _in_aws(ground: Ground, *, undo: bool) -> Iterator[Leftover]:
    fleet, session = ground.wiring.settings.name, ground.wiring.session
    leftovers, images = AwsLeftovers(session), AwsImages(session)
    for builder in leftovers.builders(fleet):
        done = undo and isinstance(images.terminate(builder.id), Done)
        yield Leftover("builder", builder.id, "a bake left it running; it is to be terminated", done)
    baked = images.images(fleet)
    for image in baked:
        if image.state is not ImageState.AVAILABLE:
            done = undo and isinstance(images.discard_image(image.id), Done)
            yield Leftover("image", image.id, f"is {image.state.value} and of no use; to be deregistered", done)
    used = {snapshot for image in baked for snapshot in image.snapshots}
    for snapshot in sorted(set(leftovers.snapshots(fleet)) - used):
        done = undo and isinstance(images.discard_snapshot(snapshot), Done)
        yield Leftover("snapshot", snapshot, "no image uses it; to be deleted", done)
    yield from group_leftovers(ground, undo=undo)
    yield from _strays(ground, undo=undo)


def _strays(ground: Ground, *, undo: bool) -> Iterator[Leftover]:
    """What is in the wrong place, or in none. Traffic is put right first: what gets none may then be taken out."""
    wiring = ground.wiring
    past = past_of(wiring.store(), wiring.settings.name)

    def look() -> Grounds:
        return Grounds(ground.sight(), ground.found.balancers, ground.found.sides, past)

    remedies = Remedies(ground.cloud, ground.ask)
    grounds, moved = look(), False
    for stray in split_traffic(grounds):
        done = undo and remedies.apply(stray)
        moved = moved or done
        yield Leftover(stray.kind, stray.subject, stray.text, done)
    for stray in misplaced(look() if moved else grounds):
        yield Leftover(stray.kind, stray.subject, stray.text, undo and remedies.apply(stray))
