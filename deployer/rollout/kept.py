"""Instances that failed and were kept for a look: no part of the fleet any more, listed apart, ended when told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from deployer.aws.groups import AwsGroup
from deployer.aws.images import AwsImages
from deployer.aws.leftovers import AwsLeftovers
from deployer.engine.reports import Explanation, KeptInstance
from deployer.model.errors import StateUnavailable
from deployer.model.fleet import BUILDER, Instance, Tag, TargetState
from deployer.model.outcome import Done
from deployer.rollout.preparation import Ground

_OUT = (TargetState.ABSENT, TargetState.DRAINING)


def kept_instances(ground: Ground) -> tuple[KeptInstance, ...]:
    """What was kept of the fleet and exists, the oldest first. Raises AwsError."""
    wiring = ground.wiring
    found = AwsLeftovers(wiring.session).kept(wiring.settings.name)
    now, keys = wiring.clock.wall(), wiring.settings.find.tags or {}
    return tuple(_as_kept(one, now, keys) for one in sorted(found, key=lambda one: (one.launched_at, one.id)))


def _as_kept(one: Instance, now: float, found_by: Mapping[str, str]) -> KeptInstance:
    return KeptInstance(
        id=one.id,
        rollout=one.tags.get(Tag.KEPT, ""),
        builder=one.tags.get(Tag.ROLE) == BUILDER,
        state=one.state.value,
        seconds=max(0.0, now - one.launched_at),
        carries=tuple(key for key in found_by if key in one.tags),
    )


def look_after_kept(ground: Ground, *, undo: bool, end: bool) -> Iterator[KeptInstance]:
    """The kept ones; with `undo` they lose what they still carry of the fleet's tags, with `end` they are ended.

    One that somebody has put back to work is not ended: it would take its requests with it. Raises AwsError.
    """
    found = kept_instances(ground)
    at_work = _at_work(ground) if found and end else {}
    for one in found:
        if one.id in at_work:
            yield replace(one, in_use=at_work[one.id])
        elif end:
            done = isinstance(AwsImages(ground.wiring.session).terminate(one.id), Done)
            yield replace(one, ended=done)
        else:
            tidied = undo and one.carries and not one.builder
            outcomes = ground.cloud.untag([one.id], one.carries) if tidied else {}
            clean = bool(outcomes) and all(isinstance(outcome, Done) for outcome in outcomes.values())
            yield replace(one, carries=()) if clean else one


def _at_work(ground: Ground) -> dict[str, str]:
    """What a balancer or the group has, whoever put it there, and where."""
    sighting, names = ground.cloud.look(), {one.id: one.name for one in ground.found.balancers}
    there = {
        instance: names.get(balancer, balancer)
        for balancer, targets in sighting.targets.items()
        for instance, target in targets.items()
        if target.state not in _OUT
    }
    group = ground.wiring.settings.find.asg
    if group is not None:
        there |= {one.id: group for one in AwsGroup(ground.wiring.session, group).describe().members}
    return there


def explain_kept(ground: Ground, ident: str) -> Explanation | None:
    """Why an instance is kept; None for one that is not. Raises AwsError."""
    one = next((kept for kept in kept_instances(ground) if kept.id == ident), None)
    if one is None:
        return None
    what = "builder" if one.builder else "instance"
    lines = [f"{one.id}: {one.state}, kept for a look ({what}); it is no part of the fleet"]
    reason = _reason(ground, one)
    lines += [f"  rollout {one.rollout} gave it up: {reason}"] if reason else [f"  kept by rollout {one.rollout}"]
    return Explanation(ident, (*lines, "next: nothing; `deployer doctor --undo --kept` ends it"))


def _reason(ground: Ground, one: KeptInstance) -> str:
    try:
        records = ground.wiring.store().read_rollout(ground.wiring.settings.name, one.rollout)
    except StateUnavailable:
        return ""
    failures = (record for record in records if record.kind == "failure" and record.subject == one.id)
    return next((str(record.data.get("reason", "")) for record in failures), "")
