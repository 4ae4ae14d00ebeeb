"""A rollout with its hooks: those around the loop are run here, point by point, with the lease kept alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from deployer.aws.hook_doors import CloudFrontEdge, CloudWatchMonitoring, RdsDatabases, S3Bucket, SnsPublisher
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Clock, Journal
from deployer.engine.result import Result, Status
from deployer.hooks.contract import Progress
from deployer.hooks.doors import Doors
from deployer.model.errors import ExitCode, HookUnsettled, PreflightRefused
from deployer.model.observation import Observation
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.rollout.hold import Hold, Mailbox
from deployer.rollout.hooks.calls import Approval, Caller, Standing
from deployer.rollout.hooks.hosts import InstallerRunner
from deployer.rollout.hooks.line import FittedHook, Line, fit_hooks
from deployer.rollout.hooks.rules import Key
from deployer.rollout.hooks.runner import HookRunner
from deployer.rollout.hooks.traffic_scripts import with_traffic_scripts
from deployer.rollout.preparation import Ground
from deployer.secrets.known import know

_BEAT = 0.2
"""Seconds between two looks at a hook that runs."""

_ENDS_WITHIN = 5.0
"""Seconds in which a hook that is ended has ended."""

_AT_THE_END = {
    Status.SUCCEEDED: (Point.AFTER_SUCCESS, Progress.SUCCEEDED),
    Status.ROLLED_BACK: (Point.AFTER_ROLLBACK, Progress.ROLLED_BACK),
    Status.FAILED: (Point.AFTER_FAILURE, Progress.FAILED),
}


@dataclass(frozen=True)
class Answers:
    """What whoever resumes says of hooks that were under way when the process died, by name."""

    ran: tuple[str, ...] = ()
    run_again: tuple[str, ...] = ()

    def of(self, name: str) -> bool | None:
        """Whether a hook did its work; None when nothing is said of it."""
        if name in self.ran:
            return True
        return False if name in self.run_again else None


class Stopped(Exception):
    """Hooks or gates keep a rollout from going on before the fleet was touched; how it ends is with it."""

    def __init__(self, reason: str, status: Status, code: ExitCode) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code


@dataclass
class Hooked:
    """The hooks of one rollout at the points that come before and after the loop."""

    runner: HookRunner
    clock: Clock
    stop: StopRequest
    each_beat: Callable[[], None]
    """Called while a hook is waited for: keeps the lease, and looks for requests. What it raises passes."""

    def settle(self, answers: Answers, look: Callable[[], Observation]) -> None:
        """Finds out about run-once hooks that were under way when a process died: asks whoever resumes, then the
        hook's own check. Raises HookUnsettled when neither can say; nothing is blindly run again (fault 25)."""
        for hook, key in self.runner.unsettled():
            done = answers.of(hook.name)
            if done is None:
                done = self.runner.check(hook, key, Standing(look()))
            if done is None:
                raise HookUnsettled(_unsettled(hook, key))
            self.runner.settle(hook, key, done=done)

    def before(self, point: Point, look: Callable[[], Observation]) -> None:
        """Runs the hooks and asks the gates of a point before the fleet is touched. Raises Stopped."""
        if point not in self.runner.line.points:
            return
        if self.stop.count:
            raise self._stopped(f"asked to stop before the hooks and gates at {point.value}")
        ruling = self.wait_for(Occasion(point), Standing(look()))
        reason = f"{point.value}: {ruling.reason}"
        match ruling.verdict:
            case Verdict.PASS:
                return
            case Verdict.FAIL | Verdict.ERROR:
                raise Stopped(reason, Status.FAILED, ExitCode.FAILED_SAFE)
            case Verdict.INCONCLUSIVE:
                raise Stopped(reason, Status.INTERRUPTED, ExitCode.PAUSED)
            case Verdict.PENDING:
                raise self._stopped(f"asked to stop at {reason}")

    def _stopped(self, reason: str) -> Stopped:
        code = ExitCode.TERMINATED if self.stop.signal == "SIGTERM" else ExitCode.INTERRUPTED
        return Stopped(reason, Status.INTERRUPTED, code)

    def finish(self, result: Result, seen: Observation | None) -> Result:
        """Runs the hooks of the end. One that fails undoes nothing; the reason and the exit code tell of it."""
        if result.status not in _AT_THE_END or seen is None:
            return result
        point, progress = _AT_THE_END[result.status]
        if point not in self.runner.line.points:
            return result
        ruling = self.wait_for(Occasion(point), Standing(seen, progress, result.reason or ""))
        if ruling.verdict is Verdict.PASS:
            return result
        said = f"{point.value}: {ruling.reason or 'a hook did not come to its end'}"
        before = result.reason or f"release {result.release_to} is in service"
        return replace(result, reason=f"{before}; {said}", exit_code=max(result.exit_code, ExitCode.FAILED_SAFE))

    def wait_for(self, occasion: Occasion, standing: Standing) -> Ruling:
        """The ruling, once there is one; PENDING when the process was asked to stop meanwhile.

        What runs when that is asked for may come to its end in the time there is; then, or asked twice, it is ended
        (see `Doors.stopping`), and one that does not heed that is left behind.
        """
        back, asked_before = standing.seen.rolling_back, self.stop.count
        urgent_since: float | None = None
        while True:
            stopping = self.stop.count > asked_before
            if not stopping:
                self.runner.ask_at(occasion, standing)
            ruling = self.runner.ruling_at(occasion, back=back)
            if stopping and self.stop.urgent:
                urgent_since = self.clock.now() if urgent_since is None else urgent_since
            deaf = urgent_since is not None and self.clock.now() - urgent_since >= _ENDS_WITHIN
            if ruling.verdict is not Verdict.PENDING or (stopping and (deaf or not self.runner.busy)):
                return ruling
            self.each_beat()
            self.clock.sleep(_BEAT)


def hooked(
    ground: Ground,
    plan: RolloutPlan,
    journal: Journal,
    stop: StopRequest,
    watch: Watch,
    hold: Hold,
    mailbox: Mailbox,
    *,
    turning_back: bool,
) -> Hooked:
    """The hooks of a rollout, from the settings; while one runs the lease is kept and the mailbox looked into.

    Raises PreflightRefused when it was begun with others.
    """

    def each_beat() -> None:
        hold.lease.heartbeat()
        mailbox.look()

    def approval() -> Approval | None:
        return mailbox.approval

    wiring = ground.wiring
    line = fit_hooks(wiring.settings)
    if not turning_back:
        refuse_other_hooks(line, plan)
    if wiring.traits.installs:
        line = with_traffic_scripts(line, ground, plan)
    caller = Caller(plan, wiring.settings.folder, wiring.settings.health.port)
    doors = doors_of(ground, stop)
    runner = HookRunner(line, caller, journal, wiring.clock, watch, doors, approval=approval)
    return Hooked(runner, wiring.clock, stop, each_beat)


def _unsettled(hook: FittedHook, key: Key) -> str:
    return (
        f"hook {hook.name} at {key.occasion} may run only once, was under way when the process died, and nothing "
        f"tells how far it came; look what it did, then say `deployer resume --hook-ran {hook.name}` or "
        f"`deployer resume --run-hook-again {hook.name}`; a `check` command in its settings answers by itself"
    )


def refuse_other_hooks(line: Line, plan: RolloutPlan) -> None:
    """Promise 16: what a rollout runs with cannot change under it. Raises PreflightRefused."""
    before, now = dict(plan.hooks), dict(line.pins())
    if before == now:
        return
    other = sorted(label for label in {*before, *now} if before.get(label) != now.get(label))
    raise PreflightRefused(
        f"rollout {plan.rollout} was begun with other hooks: {', '.join(other)} changed; put the settings back "
        "to go on, or turn round with `deployer abort`"
    )


def doors_of(ground: Ground, stop: StopRequest) -> Doors:
    """The outside, for hooks: AWS and the hosts of the fleet, each opened when it is first asked for."""
    session = ground.wiring.session
    return Doors(
        publisher=lambda: SnsPublisher(session),
        bucket=lambda: S3Bucket(session),
        edge=lambda: CloudFrontEdge(session),
        monitoring=lambda: CloudWatchMonitoring(session),
        databases=lambda: RdsDatabases(session),
        hosts=lambda: InstallerRunner(ground.installer),
        environment=ground.wiring.environment,
        stopping=lambda: stop.urgent,
        learns=know,
    )
