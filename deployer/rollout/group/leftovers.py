"""What a dead run may have left of its changes to an Auto Scaling group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deployer.aws.group_sources import GroupSource
from deployer.aws.groups import AwsGroup, GroupFacts
from deployer.engine.ports import Record
from deployer.engine.reports import Leftover
from deployer.rollout.preparation import Ground
from deployer.rollout.undo import LEAST, MOST, PRE_SCALE, PROCESSES, PROTECTION, SOURCE, open_undos

Left = Mapping[str, Mapping[str, Any]]

_LOOK_BACK = 5
"""So many rollouts are looked through: what an older one left, a later one has found as it was."""


def group_leftovers(ground: Ground, *, undo: bool) -> Iterator[Leftover]:
    """What rollouts have changed of the fleet's group and not put back; nothing for a fleet without one.

    With `undo` suspended processes are resumed. Limits and templates are put back by `deployer resume` or
    `abort` alone, since only these know whether the rollout is to be gone on with.
    """
    name = ground.wiring.settings.find.asg
    if name is None:
        return
    store, fleet = ground.wiring.store(), ground.wiring.settings.name
    past = ((one.rollout, store.read_rollout(fleet, one.rollout)) for one in store.rollouts(fleet, _LOOK_BACK))
    yield from leftovers_of(AwsGroup(ground.wiring.session, name), past, undo=undo)


def leftovers_of(
    group: AwsGroup, past: Iterable[tuple[str, Sequence[Record]]], *, undo: bool
) -> Iterator[Leftover]:
    """The same from the journals of `past` rollouts, by name. Raises AwsError."""
    facts = group.describe()
    for rollout, records in past:
        left = open_undos(records, group.name)
        yield from _suspended(group, facts, left, rollout, undo=undo)
        yield from _changed(group.name, left, rollout)
    for member in facts.members:
        if member.lifecycle in ("Standby", "EnteringStandby"):
            yield Leftover("standby", member.id, f"is in {member.lifecycle} in {group.name}; nothing reaches it")


def _suspended(group: AwsGroup, facts: GroupFacts, left: Left, rollout: str, *, undo: bool) -> Iterator[Leftover]:
    names = sorted(set(left.get(PROCESSES, {}).get("names", ())) & facts.suspended)
    if not names:
        return
    if undo:
        group.resume(names)
    subject = f"{group.name} {', '.join(names)}"
    yield Leftover("suspended process", subject, f"suspended by rollout {rollout}; to be resumed", undo)


def _changed(name: str, left: Left, rollout: str) -> Iterator[Leftover]:
    if SOURCE in left:
        before = GroupSource.from_data(left[SOURCE]["before"])
        yield Leftover("launch source", name, f"changed by rollout {rollout}; before it was {before}")
    if PRE_SCALE in left:
        text = f"scaled out by {left[PRE_SCALE]['by']} for rollout {rollout}; before, {left[PRE_SCALE]['desired']}"
        yield Leftover("size", name, text)
    if PROTECTION in left:
        yield Leftover("protection", name, f"what rollout {rollout} launched is not yet protected as it is to be")
    for what, word in ((LEAST, "minimum"), (MOST, "maximum")):
        if what in left:
            text = f"its {word} was changed by rollout {rollout}; before it was {left[what]['value']}"
            yield Leftover("size limit", name, text)
