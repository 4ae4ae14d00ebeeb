"""The bake's loop: look, decide, act. Level-triggered: a run that died is gone on with by running again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import assert_never

from deployer.bake.aside import Aside, Threaded
from deployer.bake.decide import Key, Progress, Seen, decide, key_of, phase_of
from deployer.bake.errors import BakeFailed, BakeInterrupted
from deployer.bake.order import BakeOrder
from deployer.bake.ports import BuilderHost, ImageCloud, Survey
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
    LaunchBuilder,
    MarkClean,
    OnHost,
    Phase,
    ReachHost,
    RegisterImage,
    Step,
    StopBuilder,
    TakeSnapshots,
    TerminateBuilder,
    subject_of,
)
from deployer.engine.events import Baking, Noted, Watch
from deployer.engine.ports import Clock, Journal
from deployer.model.errors import AwsError
from deployer.model.hosts import Host
from deployer.model.observation import Answer
from deployer.model.outcome import Done, Outcome, Permanent, Temporary, Unknown

QUICKEST = 1.0
"""Seconds between looks at the beginning of a phase; later a tenth of the phase's age, up to `SLOWEST`."""

SLOWEST = 15.0

_TOKEN_USED_UP = frozenset({"IdempotentInstanceTerminated", "IdempotentParameterMismatch"})
_NAME_TAKEN = frozenset({"InvalidAMIName.Duplicate"})
_EVIDENCE = 8_000


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
    run = _Bake(cloud, host, journal, clock, order, watch, aside or Threaded())
    while True:
        each_tick()
        if stopping():
            raise BakeInterrupted(
                f"the bake of {order.name} was interrupted; run the same command again to go on with it"
            )
        image = run.tick()
        if image is not None:
            return image
        clock.sleep(run.pause())


@dataclass
class _Bake:
    """One run: what cannot be seen, and the effects of each step."""

    cloud: ImageCloud
    host: BuilderHost
    journal: Journal
    clock: Clock
    order: BakeOrder
    watch: Watch
    aside: Aside
    started: float = 0.0
    since: float = 0.0
    phase: Phase | None = None
    attempt: int = 0
    launches: int = 0
    failed: str | None = None
    evidence: str = ""
    last_answer: str = ""
    last_look: float | None = None
    told: str = ""
    progress: dict[str, Progress] = field(default_factory=dict)
    blocked: dict[Key, float] = field(default_factory=dict)
    useless: set[Key] = field(default_factory=set)
    made: set[Key] = field(default_factory=set)
    work: tuple[OnHost, Future[object]] | None = None

    def __post_init__(self) -> None:
        self.started = self.since = self.clock.now()

    def pause(self) -> float:
        """Seconds until the next look: the longer a phase lasts, the less often."""
        return max(QUICKEST, min(SLOWEST, (self.clock.now() - self.since) / 10))

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
            self._tell("looking failed", str(error))
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
            progress=dict(self.progress),
            working=_gerund(self.work[0]) if self.work else None,
            blocked=dict(self.blocked),
            useless=frozenset(self.useless),
            made=frozenset(self.made),
            last_answer=self.last_answer,
            attempt=self.attempt,
            launches=self.launches,
            failed=self.failed,
        )

    def _act(self, seen: Seen, step: Step) -> BakedImage | None:
        match step:
            case Hold(reason=reason):
                self._tell("waiting for", reason)
            case Finish(image=image, snapshots=snapshots):
                made = any(kind in ("LaunchBuilder", "RegisterImage") for kind, _ in self.made)
                self._tell("image found" if not made else "image available", image)
                seconds = self.clock.now() - self.started
                return BakedImage(image, self.order.name, snapshots, seconds, adopted=not made)
            case Fail(reason=reason):
                self._fail(seen, reason)
            case GiveUp(reason=reason):
                kept = tuple(b.instance.id for b in seen.survey.builders if b.instance.state.alive)
                left = f"; builder {', '.join(kept)} is kept" if kept else ""
                raise BakeFailed(
                    f"no image of release {self.order.package.release}: {reason}{left}",
                    evidence=self.evidence,
                    kept=kept,
                )
            case ReachHost() | InstallRelease() | CheckRelease() | CleanHost():
                self._start_work(step)
            case _:
                self._change(step)
        return None

    # -- changes at AWS --------------------------------------------------------------------------------

    def _change(self, step: Change) -> None:
        self._intend(step, subject_of(step))
        self._tell(_SAID[type(step)], subject_of(step))
        outcome = self._send(step)
        self._record(step, subject_of(step), outcome)
        key, now = key_of(step), self.clock.now()
        match outcome:
            case Done():
                self.made.add(key)
                self.launches += isinstance(step, LaunchBuilder)
                self.blocked[key] = now + self.order.deadlines.visible
            case Unknown(reason=reason):
                self.blocked[key] = now + self.order.deadlines.visible
                self._tell("outcome unknown, looking again", reason)
            case Temporary(reason=reason, delay=delay):
                self.blocked[key] = now + delay
                self._tell("trying again", reason)
            case Permanent(reason=reason, code=code):
                self._refused(step, reason, code)

    def _refused(self, step: Change, reason: str, code: str) -> None:
        key = key_of(step)
        if isinstance(step, LaunchBuilder) and code in _TOKEN_USED_UP:
            self.attempt += 1
        elif isinstance(step, RegisterImage) and code in _NAME_TAKEN:
            self.blocked[key] = self.clock.now() + self.order.deadlines.visible
        elif isinstance(step, TerminateBuilder | DiscardImage | DiscardSnapshot):
            self.useless.add(key)
            self.watch(Noted(reason, warning=True))
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
            case TerminateBuilder(instance=instance):
                return self.cloud.terminate(instance)
            case DiscardImage(image=image):
                return self.cloud.discard_image(image)
            case DiscardSnapshot(snapshot=snapshot):
                return self.cloud.discard_snapshot(snapshot)
            case _:
                assert_never(step)

    # -- work on the host ------------------------------------------------------------------------------

    def _start_work(self, step: OnHost) -> None:
        instance = step.builder.instance
        host = Host(instance.id, instance.address, instance.zone)
        order, door = self.order, self.host
        if isinstance(step, InstallRelease | CleanHost):
            self._intend(step, instance.id)
        self._tell(_gerund(step), instance.id)
        match step:
            case ReachHost():
                self.work = step, self.aside.run(lambda: door.reachable(host))
            case InstallRelease():
                self.work = (
                    step,
                    self.aside.run(lambda: door.install(host, order.package, order.deployment, order.release_from)),
                )
            case CheckRelease():
                self.work = step, self.aside.run(lambda: door.check(host))
            case CleanHost():
                self.work = step, self.aside.run(lambda: door.clean(host))

    def _take_in_work(self) -> None:
        if self.work is None or not self.work[1].done():
            return
        (step, future), self.work = self.work, None
        ident = step.builder.instance.id
        match step, future.result():
            case ReachHost(), True:
                self.progress[ident] = Progress.REACHED
            case CheckRelease(), Answer() as answer:
                self._checked(ident, answer)
            case InstallRelease() | CleanHost(), (Done() | Temporary() | Permanent() | Unknown()) as outcome:
                self._record(step, ident, outcome)
                self._worked(step, ident, outcome)
            case _:
                pass

    def _checked(self, ident: str, answer: Answer) -> None:
        release, wanted = answer.release, self.order.package.release
        told = release == wanted or (release is None and not self.order.names_release)
        if answer.ok and told:
            self.progress[ident] = Progress.CHECKED
        elif answer.ok:
            self.last_answer = f"serves release {release or 'without a name'}, not {wanted}"
        else:
            self.last_answer = f"is not healthy: {answer.detail or 'no answer'}"

    def _worked(self, step: InstallRelease | CleanHost, ident: str, outcome: Outcome[object]) -> None:
        match outcome:
            case Done():
                done = Progress.INSTALLED if isinstance(step, InstallRelease) else Progress.CLEANED
                self.progress[ident] = done
            case Permanent(reason=reason):
                self.failed = f"{_gerund(step)} on builder {ident} failed: {reason}"
                self._gather(step.builder.instance.id, Host(ident, step.builder.instance.address))
            case Temporary(reason=reason) | Unknown(reason=reason):
                # The host keeps a marker of what it has done, so asking again is safe.
                self._tell("trying again", reason)

    def _fail(self, seen: Seen, reason: str) -> None:
        self.failed = reason
        builder = seen.builder
        if builder is not None:
            self._gather(builder.instance.id, Host(builder.instance.id, builder.instance.address))
        self._tell("failed", reason)

    def _gather(self, ident: str, host: Host) -> None:
        said = self.host.evidence(host) if ident in self.progress else ""
        console = self.cloud.console(ident)
        self.evidence = "\n".join(text for text in (said[-_EVIDENCE:], console[-_EVIDENCE:]) if text)

    # -- records ---------------------------------------------------------------------------------------

    def _intend(self, step: Change | OnHost, subject: str) -> None:
        self.journal.append("intent", f"bake {subject}", {"bake": self.order.name, "step": type(step).__name__})

    def _record(self, step: Change | OnHost, subject: str, outcome: Outcome[object]) -> None:
        """One audit record a change (promise 18), in the shape that the engine's records have."""
        reason, request = "", ""
        match outcome:
            case Done(request_id=request):
                pass
            case Temporary(reason=reason, request_id=request) | Permanent(reason=reason, request_id=request):
                pass
            case Unknown(reason=reason):
                pass
        self.journal.append(
            "outcome",
            f"bake {subject}",
            {
                "move": {"move": f"bake:{type(step).__name__}", "subject": subject},
                "bake": self.order.name,
                "outcome": type(outcome).__name__.lower(),
                "error": reason,
                "request_id": request,
            },
        )

    def _tell(self, step: str, detail: str) -> None:
        if self.told != f"{step} {detail}":
            self.told = f"{step} {detail}"
            self.watch(Baking(step, detail))


_SAID: dict[type[Change], str] = {
    LaunchBuilder: "launching",
    MarkClean: "builder is clean",
    StopBuilder: "stopping",
    TakeSnapshots: "snapshots of",
    RegisterImage: "registering the image of",
    TerminateBuilder: "terminating",
    DiscardImage: "deregistering",
    DiscardSnapshot: "deleting",
}


def _gerund(step: OnHost) -> str:
    match step:
        case ReachHost():
            return "reaching the builder's host"
        case InstallRelease():
            return "installing the release"
        case CheckRelease():
            return "checking the release"
        case CleanHost():
            return "cleaning"
        case _:
            assert_never(step)
