"""From what is seen of a bake to the one next step. Pure: no I/O, the time is `seen.now`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from deployer.bake.order import CLEAN_TAG, BakeDeadlines, BakeOrder
from deployer.bake.ports import Builder, ImageState, SeenImage, SeenSnapshot, SnapshotState, Survey
from deployer.bake.steps import (
    Change,
    CheckRelease,
    CleanHost,
    DiscardImage,
    DiscardSnapshot,
    Fail,
    Finish,
    GiveUp,
    Hold,
    InstallRelease,
    KeepBuilder,
    LaunchBuilder,
    MarkClean,
    Phase,
    ReachHost,
    RegisterImage,
    Step,
    StopBuilder,
    TakeSnapshots,
    TerminateBuilder,
    subject_of,
)
from deployer.model.fleet import InstanceState

MOST_BUILDERS = 3
"""Builders launched in one run, after which one that keeps dying is somebody's to look at."""

Key = tuple[str, str]
"""A change by its kind and what it is about."""


class Progress(IntEnum):
    """How far the work on one builder's host has come in this run; a new run begins again, harmlessly."""

    NOTHING = 0
    REACHED = 1
    INSTALLED = 2
    CHECKED = 3
    CLEANED = 4


_PHASE_OF_WORK = {
    Progress.NOTHING: Phase.BOOT,
    Progress.REACHED: Phase.INSTALL,
    Progress.INSTALLED: Phase.CHECK,
    Progress.CHECKED: Phase.STOP,
    Progress.CLEANED: Phase.STOP,
}


@dataclass(frozen=True)
class Seen:
    """Everything that a step is decided from. Times are monotonic seconds.

    `blocked` says until when a change is not asked for again: its effect may not be visible yet, or AWS wants
    to be left alone. `useless` holds the changes that AWS refuses for good, `made` those that it accepted in
    this run. `since` is when the present phase began.
    """

    now: float
    order: BakeOrder
    survey: Survey
    since: float
    progress: Mapping[str, Progress] = field(default_factory=dict)
    working: str | None = None
    """What runs on the host at present."""
    blocked: Mapping[Key, float] = field(default_factory=dict)
    useless: frozenset[Key] = frozenset()
    made: frozenset[Key] = frozenset()
    trouble: str = ""
    """Why the last thing that was tried did not succeed; empty when it did."""
    attempt: int = 0
    launches: int = 0
    failed: str | None = None

    @property
    def builder(self) -> Builder | None:
        """The builder in use: the oldest that is not on its way out."""
        alive = [b for b in self.survey.builders if b.instance.state.alive]
        return min(alive, key=lambda b: (b.instance.launched_at, b.instance.id), default=None)

    @property
    def deadlines(self) -> BakeDeadlines:
        """The order's deadlines."""
        return self.order.deadlines


def key_of(step: Change) -> Key:
    """What tells one change from another."""
    return type(step).__name__, subject_of(step)


def host_key(instance: str) -> Key:
    """Under what `Seen.blocked` says that a builder's host is left alone for a while."""
    return "host", instance


def phase_of(seen: Seen) -> Phase:
    """Where the bake is, by what is seen."""
    if seen.failed is not None:
        return Phase.CLEAN_UP
    builder = seen.builder
    if seen.survey.image is not None:
        return Phase.RETIRE if seen.survey.image.state is ImageState.AVAILABLE else Phase.IMAGE
    if builder is None:
        return Phase.LAUNCH
    match builder.instance.state:
        case InstanceState.PENDING:
            return Phase.LAUNCH
        case InstanceState.RUNNING if CLEAN_TAG in builder.instance.tags:
            return Phase.STOP
        case InstanceState.RUNNING:
            return _PHASE_OF_WORK[seen.progress.get(builder.instance.id, Progress.NOTHING)]
        case InstanceState.STOPPED:
            return Phase.IMAGE if _complete_set(seen, builder) else Phase.SNAPSHOT
        case _:
            return Phase.STOP


def decide(seen: Seen) -> Step:
    """The next step, or what is being waited for."""
    if seen.failed is not None:
        return _cleaning_up(seen, seen.failed)
    late = _too_late(seen)
    if late is not None:
        return late
    image = seen.survey.image
    if image is not None:
        return _with_image(seen, image)
    builder = seen.builder
    if builder is None:
        return _without_builder(seen)
    if spare := _spare_builder(seen, builder):
        return _once(seen, spare, "the second builder to go")
    return _with_builder(seen, builder)


def _too_late(seen: Seen) -> Step | None:
    phase = phase_of(seen)
    if seen.now - seen.since <= _longest(phase, seen.deadlines):
        return None
    if phase is Phase.RETIRE and seen.survey.image is not None and seen.survey.image.problem is None:
        # The image is good; a builder that will not go is reported, not a reason to throw the image away.
        return _finish(seen.survey.image)
    waited = seen.now - seen.since
    trouble = f"; {seen.trouble}" if seen.trouble else ""
    return Fail(f"{phase.value} has taken {waited:.0f} s, longer than its deadline: {_evidence_of(seen)}{trouble}")


def _longest(phase: Phase, deadlines: BakeDeadlines) -> float:
    return {
        Phase.LAUNCH: deadlines.launch,
        Phase.BOOT: deadlines.boot,
        Phase.INSTALL: deadlines.install,
        Phase.CHECK: deadlines.check,
        Phase.STOP: deadlines.stop,
        Phase.SNAPSHOT: deadlines.snapshot,
        Phase.IMAGE: deadlines.image,
        Phase.RETIRE: deadlines.retire,
        Phase.CLEAN_UP: deadlines.retire,
    }[phase]


def _evidence_of(seen: Seen) -> str:
    image, builder = seen.survey.image, seen.builder
    if image is not None:
        return f"image {image.id} is {image.state.value}"
    if builder is None:
        return "there is no builder"
    states = ", ".join(f"{s.id} {s.state.value} {s.percent} %" for s in seen.survey.snapshots)
    return f"builder {builder.instance.id} is {builder.instance.state.value}" + (f", {states}" if states else "")


def _with_image(seen: Seen, image: SeenImage) -> Step:
    match image.state:
        case ImageState.FAILED:
            return Fail(f"image {image.id} ({image.name}) failed: {image.reason or 'AWS gives no reason'}")
        case ImageState.PENDING:
            return Hold(f"image {image.id} to become available")
        case ImageState.AVAILABLE:
            return _retire(seen, image)


def _retire(seen: Seen, image: SeenImage) -> Step:
    if image.problem is not None:
        return Fail(f"image {image.id} ({image.name}) cannot be used: {image.problem}")
    for snapshot in seen.survey.snapshots:
        step = DiscardSnapshot(snapshot.id)
        if snapshot.id not in image.snapshots and key_of(step) not in seen.useless:
            return _once(seen, step, f"the spare snapshot {snapshot.id} to go")
    for builder in seen.survey.builders:
        gone = TerminateBuilder(builder.instance.id)
        if builder.instance.state.alive and key_of(gone) not in seen.useless:
            return _once(seen, gone, f"builder {builder.instance.id} to go")
    return _finish(image)


def _finish(image: SeenImage) -> Finish:
    return Finish(image.id, image.snapshots)


def _without_builder(seen: Seen) -> Step:
    """No builder: launch one. Snapshots of a builder that is gone cannot be told device from device."""
    for snapshot in seen.survey.snapshots:
        step = DiscardSnapshot(snapshot.id)
        if key_of(step) not in seen.useless:
            return _once(seen, step, f"the orphaned snapshot {snapshot.id} to go")
    launch = _once(seen, LaunchBuilder(seen.attempt), "the builder to be seen")
    if seen.launches >= MOST_BUILDERS and not isinstance(launch, Hold):
        return Fail(f"{seen.launches} builders were launched and none of them lasted; look at the account's events")
    return launch


def _spare_builder(seen: Seen, builder: Builder) -> TerminateBuilder | None:
    spare = (
        TerminateBuilder(other.instance.id)
        for other in seen.survey.builders
        if other.instance.id != builder.instance.id and other.instance.state.alive
    )
    return next((step for step in spare if key_of(step) not in seen.useless), None)


def _with_builder(seen: Seen, builder: Builder) -> Step:
    instance = builder.instance
    clean = CLEAN_TAG in instance.tags
    match instance.state:
        case InstanceState.RUNNING if clean:
            return _once(seen, StopBuilder(instance.id), f"builder {instance.id} to stop")
        case InstanceState.RUNNING:
            return _on_host(seen, builder)
        case InstanceState.STOPPED if clean:
            return _from_stopped(seen, builder)
        case InstanceState.STOPPED:
            # Somebody else stopped it: what is on its disks was never checked.
            return _once(seen, TerminateBuilder(instance.id), f"unfinished builder {instance.id} to go")
        case _:
            return Hold(f"builder {instance.id}, which is {instance.state.value}")


def _on_host(seen: Seen, builder: Builder) -> Step:
    if seen.working is not None:
        return Hold(seen.working)
    if seen.now < seen.blocked.get(host_key(builder.instance.id), seen.now):
        return Hold(seen.trouble)
    match seen.progress.get(builder.instance.id, Progress.NOTHING):
        case Progress.NOTHING:
            return ReachHost(builder)
        case Progress.REACHED:
            return InstallRelease(builder)
        case Progress.INSTALLED:
            return CheckRelease(builder)
        case Progress.CHECKED:
            return CleanHost(builder)
        case Progress.CLEANED:
            return _once(seen, MarkClean(builder.instance.id), "the builder's mark to be seen")


def _from_stopped(seen: Seen, builder: Builder) -> Step:
    for snapshot in seen.survey.snapshots:
        if snapshot.state is SnapshotState.FAILED:
            return Fail(
                f"snapshot {snapshot.id} of {snapshot.volume} failed: {snapshot.reason or 'no reason given'}"
            )
    complete = _complete_set(seen, builder)
    if complete is not None:
        return _once(seen, RegisterImage(builder, complete), "the image to be seen")
    pending = [s for s in _snapshots_of(seen, builder) if s.state is SnapshotState.PENDING]
    if pending:
        many = "s" * (len(pending) != 1)
        return Hold(f"{len(pending)} snapshot{many}, {min(s.percent for s in pending)} %")
    return _once(seen, TakeSnapshots(builder), "the snapshots to be seen")


def _snapshots_of(seen: Seen, builder: Builder) -> list[SeenSnapshot]:
    return [s for s in seen.survey.snapshots if s.volume in builder.volumes.values()]


def _complete_set(seen: Seen, builder: Builder) -> tuple[tuple[str, str], ...] | None:
    """Device → completed snapshot, when every volume has one. The builder is stopped, so any of them will do."""
    done = {
        s.volume: s.id
        for s in sorted(_snapshots_of(seen, builder), key=lambda s: s.id, reverse=True)
        if s.state is SnapshotState.COMPLETED
    }
    if not builder.volumes or not all(volume in done for volume in builder.volumes.values()):
        return None
    return tuple((device, done[volume]) for device, volume in sorted(builder.volumes.items()))


def _cleaning_up(seen: Seen, reason: str) -> Step:
    """Removes what the failed bake made; what AWS refuses to remove stays, tagged and named, for `doctor`."""
    if seen.now - seen.since > _longest(Phase.CLEAN_UP, seen.deadlines):
        return GiveUp(reason)
    for step in _rubbish(seen):
        if key_of(step) not in seen.useless:
            return _once(seen, step, f"{subject_of(step)} to go")
    return GiveUp(reason)


def _rubbish(seen: Seen) -> list[Change]:
    image = seen.survey.image
    steps: list[Change] = []
    kept: tuple[str, ...] = ()
    # An image that is available and was there before this run may be what instances are launched from.
    if image is not None and (image.state is not ImageState.AVAILABLE or _registered_here(seen)):
        steps.append(DiscardImage(image.id))
    elif image is not None:
        kept = image.snapshots
    leave = KeepBuilder if seen.order.keep_builder else TerminateBuilder
    steps += [leave(b.instance.id) for b in seen.survey.builders if b.instance.state.alive]
    steps += [DiscardSnapshot(snapshot.id) for snapshot in seen.survey.snapshots if snapshot.id not in kept]
    return steps


def _registered_here(seen: Seen) -> bool:
    return any(kind == RegisterImage.__name__ for kind, _ in seen.made)


def _once(seen: Seen, step: Change, waiting_for: str) -> Step:
    """The change, unless it was asked for a moment ago and its effect may only not be visible yet."""
    return Hold(waiting_for) if seen.now < seen.blocked.get(key_of(step), seen.now) else step
