"""The bake's loop: look, decide, act. Level-triggered: a run that died is gone on with by running again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import assert_never

from deployer.bake.aside import Aside, Threaded
from deployer.bake.decide import Key, Seen, decide, host_key, key_of, phase_of
from deployer.bake.errors import BakeFailed, BakeInterrupted
from deployer.bake.hostwork import HostWork, gerund
from deployer.bake.order import BakeOrder
from deployer.bake.ports import BuilderHost, ImageCloud, Survey
from deployer.bake.records import Records
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
from deployer.engine.events import Watch
from deployer.engine.ports import Clock, Journal
from deployer.model.errors import AwsError
from deployer.model.fleet import Instance
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown

QUICKEST = 0.5
"""Seconds between looks at the beginning of a phase; later a tenth of the phase's age, up to `SLOWEST`."""

SLOWEST = 15.0

_TOKEN_USED_UP = frozenset({"IdempotentInstanceTerminated", "IdempotentParameterMismatch"})
_NAME_TAKEN = frozenset({"InvalidAMIName.Duplicate"})
_EVIDENCE = 8_000
_HOST_PAUSE = 2.0
"""Seconds for which a host is left alone when the connection to it was lost."""
_BEAT = 0.1
"""Seconds between two questions whether the work on the host is done; these cost no call."""


@dataclass(frozen=True)
class BakedImage:
    """An image that holds the release. `adopted` means that it was there before and nothing was baked.

    `seconds` is the time that this run took.
    """

    id: str
    name: str
    snapshots: tuple[str, ...]
    seconds: float
    adopted: bool


def bake(
    cloud: ImageCloud,
    host: BuilderHost,
    journal: Journal,
    clock: Clock,
    order: BakeOrder,
    watch: Watch,
    *,
    aside: Aside | None = None,
    each_tick: Callable[[], None] = lambda: None,
    stopping: Callable[[], bool] = lambda: False,
) -> BakedImage:
    """Makes the image of an order, or finds it, and returns when it can be launched and the builder is gone.

    `each_tick` is called before each look (the lease's heartbeat). Raises BakeFailed when no image can be
    made, with what it made removed; BakeInterrupted when `stopping` says so; what `each_tick` and the journal
    raise passes.
    """
    root = cloud.root_of(order.base_image)
    order = replace(order, root_image=order.root_image or root)
    work = HostWork(host, order, aside or Threaded())
    run = _Bake(cloud, work, Records(journal, watch, order.name), clock, order)
    while True:
        each_tick()
        if stopping():
            raise BakeInterrupted(
                f"the bake of {order.name} was interrupted; run the same command again to go on with it"
            )
        image = run.tick()
        if image is not None:
            return image
        run.rest()


@dataclass
class _Bake:
    """One run: what cannot be seen, and the effects of each step."""

    cloud: ImageCloud
    work: HostWork
    records: Records
    clock: Clock
    order: BakeOrder
    started: float = 0.0
    since: float = 0.0
    phase: Phase | None = None
    attempt: int = 0
    launches: int = 0
    failed: str | None = None
    trouble: str = ""
    evidence: str = ""
    last_look: float | None = None
    blocked: dict[Key, float] = field(default_factory=dict)
    useless: set[Key] = field(default_factory=set)
    made: set[Key] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    """Builders that this run leaves for somebody to look at."""

    def __post_init__(self) -> None:
        self.started = self.since = self.clock.now()

    def rest(self) -> None:
        """Waits until the next look, the longer the longer the phase lasts; the end of host work ends it."""
        now = self.clock.now()
        until = now + max(QUICKEST, min(SLOWEST, (now - self.since) / 10))
        if not self.work.busy:
            self.clock.sleep(until - now)
            return
        while now < until and not self.work.done:
            self.clock.sleep(min(_BEAT, until - now))
            now = self.clock.now()

    def tick(self) -> BakedImage | None:
        """One look, one step. Returns the image at the end; raises BakeFailed."""
        self._take_in_work()
        survey = self._look()
        if survey is None:
            return None
        seen = self._seen(survey)
        phase = phase_of(seen)
        if phase is not self.phase:
            self.phase, self.since = phase, seen.now
            seen = replace(seen, since=seen.now)
        return self._act(seen, decide(seen))

    def _look(self) -> Survey | None:
        """A look that fails changes nothing; when none succeeds for as long as a boot may last, it is the end."""
        now = self.clock.now()
        try:
            survey = self.cloud.survey(self.order)
        except AwsError as error:
            self.records.tell("looking failed", str(error))
            if now - (self.started if self.last_look is None else self.last_look) > self.order.deadlines.boot:
                raise
            return None
        self.last_look = now
        return survey

    def _seen(self, survey: Survey) -> Seen:
        return Seen(
            now=self.clock.now(),
            order=self.order,
            survey=survey,
            since=self.since,
            progress=dict(self.work.progress),
            working=self.work.doing,
            blocked=dict(self.blocked),
            useless=frozenset(self.useless),
            made=frozenset(self.made),
            trouble=self.trouble,
            # What was kept still answers to the tokens of its launch.
            attempt=self.attempt + len(survey.kept),
            launches=self.launches,
            failed=self.failed,
        )

    def _act(self, seen: Seen, step: Step) -> BakedImage | None:
        match step:
            case Hold(reason=reason):
                self.records.tell("waiting for", reason)
            case Finish(image=image, snapshots=snapshots):
                made = any(kind in ("LaunchBuilder", "RegisterImage") for kind, _ in self.made)
                self.records.tell("image found" if not made else "image available", image)
                seconds = self.clock.now() - self.started
                return BakedImage(image, self.order.name, snapshots, seconds, adopted=not made)
            case Fail(reason=reason):
                self._fail(seen, reason)
            case GiveUp(reason=reason):
                kept = tuple(sorted(self.kept))
                left = f"; builder {', '.join(kept)} is kept" if kept else ""
                raise BakeFailed(
                    f"no image of release {self.order.package.release}: {reason}{left}",
                    evidence=self.evidence,
                    kept=kept,
                )
            case ReachHost() | InstallRelease() | CheckRelease() | CleanHost():
                if isinstance(step, InstallRelease | CleanHost):
                    self.records.intend(step, step.builder.instance.id)
                self.records.tell(gerund(step), step.builder.instance.id)
                self.work.start(step)
            case _:
                self._change(step)
        return None

    # -- changes at AWS --------------------------------------------------------------------------------

    def _change(self, step: Change) -> None:
        self.records.intend(step, subject_of(step))
        self.records.tell(_SAID[type(step)], _named(step))
        outcome = self._send(step)
        self.records.outcome(step, subject_of(step), outcome)
        key, now = key_of(step), self.clock.now()
        match outcome:
            case Done():
                self.trouble = ""
                self.made.add(key)
                self.launches += isinstance(step, LaunchBuilder)
                self.blocked[key] = now + self.order.deadlines.visible
            case Unknown(reason=reason):
                self.trouble = reason
                self.blocked[key] = now + self.order.deadlines.visible
                self.records.tell("outcome unknown, looking again", reason)
            case Temporary(reason=reason, delay=delay):
                self.trouble = reason
                self.blocked[key] = now + delay
                self.records.tell("trying again", reason)
            case Permanent(reason=reason, code=code):
                self._refused(step, reason, code)

    def _refused(self, step: Change, reason: str, code: str) -> None:
        key = key_of(step)
        if isinstance(step, LaunchBuilder) and code in _TOKEN_USED_UP:
            self.attempt += 1
        elif isinstance(step, RegisterImage) and code in _NAME_TAKEN:
            self.blocked[key] = self.clock.now() + self.order.deadlines.visible
        elif isinstance(step, KeepBuilder | TerminateBuilder | DiscardImage | DiscardSnapshot):
            self.useless.add(key)
            self.records.warn(reason)
        else:
            self.failed = reason

    def _send(self, step: Change) -> Outcome[object]:
        match step:
            case LaunchBuilder(attempt=attempt):
                return self.cloud.launch_builder(self.order, attempt)
            case MarkClean(instance=instance):
                return self.cloud.mark_clean(instance)
            case StopBuilder(instance=instance):
                return self.cloud.stop(instance)
            case TakeSnapshots(builder=builder):
                return self.cloud.snapshot(self.order, builder)
            case RegisterImage(builder=builder, snapshots=snapshots):
                return self.cloud.register(self.order, builder, dict(snapshots))
            case KeepBuilder(instance=instance):
                self.kept.add(instance)
                return self.cloud.keep(instance, self.order.fleet, self.order.rollout)
            case TerminateBuilder(instance=instance):
                return self.cloud.terminate(instance)
            case DiscardImage(image=image):
                return self.cloud.discard_image(image)
            case DiscardSnapshot(snapshot=snapshot):
                return self.cloud.discard_snapshot(snapshot)
            case _:
                assert_never(step)

    # -- the builder's host ----------------------------------------------------------------------------

    def _take_in_work(self) -> None:
        finished = self.work.finished()
        if finished is None:
            return
        step, outcome = finished
        instance = step.builder.instance
        if isinstance(step, InstallRelease | CleanHost):
            self.records.outcome(step, instance.id, outcome)
        match outcome:
            case Permanent(reason=reason):
                self.failed = f"{gerund(step)} on builder {instance.id} failed: {reason}"
                self._gather(instance)
            case Temporary(reason=reason) | Unknown(reason=reason):
                # The host keeps a marker of what it has done, so asking again is safe.
                delay = outcome.delay if isinstance(outcome, Temporary) else _HOST_PAUSE
                self.blocked[host_key(instance.id)] = self.clock.now() + delay
                self.trouble = reason
                self.records.tell("trying again", reason)
            case Done():
                self.trouble = ""

    def _fail(self, seen: Seen, reason: str) -> None:
        self.failed = reason
        builder = seen.builder
        if builder is not None:
            self._gather(builder.instance)
        self.records.tell("failed", reason)

    def _gather(self, instance: Instance) -> None:
        said = self.work.evidence(instance)
        console = self.cloud.console(instance.id)
        self.evidence = "\n".join(text for text in (said[-_EVIDENCE:], console[-_EVIDENCE:]) if text)


def _named(step: Change) -> str:
    match step:
        case LaunchBuilder(attempt=attempt):
            return f"the builder, attempt {attempt + 1}" if attempt else "the builder"
        case _:
            return subject_of(step)


_SAID: dict[type[Change], str] = {
    LaunchBuilder: "launching",
    MarkClean: "builder is clean",
    StopBuilder: "stopping",
    TakeSnapshots: "snapshots of",
    RegisterImage: "registering the image of",
    KeepBuilder: "keeping",
    TerminateBuilder: "terminating",
    DiscardImage: "deregistering",
    DiscardSnapshot: "deleting",
}
