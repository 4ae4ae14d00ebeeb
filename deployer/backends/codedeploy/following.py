"""Follows a deployment target by target, and shows it as every rollout is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.codedeploy_values import DeploymentFacts, DeploymentStatus, EventFacts, Progress, TargetFacts
from deployer.backends.codedeploy.deployed import Deployed, is_changed, is_installed
from deployer.engine.clock import StopRequest
from deployer.engine.events import Acted, Completed, Failed, Looked, Noted, Watch
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Clock, Journal
from deployer.model.errors import AwsError
from deployer.model.fleet import Release, installed_tags
from deployer.model.hosts import Answered, Ask, Host, HostReport
from deployer.model.moves import Attach, Drain, Move, Update
from deployer.model.observation import Install, Observation, Seen, Work
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.rollout.hold import Hold, Mailbox
from deployer.rollout.hooks.runner import HookRunner
from deployer.rollout.preparation import Ground

_BLOCKS = ("BeforeBlockTraffic", "BlockTraffic", "AfterBlockTraffic")
_ALLOWS = ("BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic")
_FRESH = 3.0
"""An answer older than this many seconds is asked for again, where one is waited for."""
BLUE = "Blue"


@dataclass
class Tallies:
    """Extremes over all looks, counted from what the balancers say of each target."""

    lowest: int | None = None
    highest_alive: int = 0


@dataclass(frozen=True)
class Followed:
    """How a deployment ended, as far as it was followed.

    `ruling` is why we stopped it: FAIL, what else a gate said, or PENDING when somebody asked to stop.
    """

    deployment: DeploymentFacts
    targets: tuple[TargetFacts, ...]
    ruling: Ruling | None = None
    abandoned: bool = False

    @property
    def failed(self) -> int:
        """How many of its targets failed."""
        return sum(1 for target in self.targets if target.progress is Progress.FAILED)


@dataclass
class Follower:
    """Watches one rollout's deployments, one after the other."""

    api: CodeDeploy
    ground: Ground
    plan: RolloutPlan
    memory: Memory
    journal: Journal
    hold: Hold
    stop: StopRequest
    mailbox: Mailbox
    watch: Watch
    hooks: HookRunner
    poll: float
    deployed: Deployed = field(default_factory=Deployed)
    """What is on each instance, kept up to date with what its deployments come to."""
    tallies: Tallies = field(default_factory=Tallies)
    seconds: list[float] = field(default_factory=list)
    """What each instance took, from its first lifecycle event to its last."""
    seen: Observation | None = None
    _told: set[tuple[str, str, str, Progress]] = field(default_factory=set)
    _moved: tuple[object, float] = (None, 0.0)
    _stopping: bool = False
    _brings: Release | None = None
    """What the deployment that is followed brings."""
    _put_at: dict[str, float] = field(default_factory=dict)
    """Since when `deployed` is right about an instance that a deployment has changed."""

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.ground.wiring.clock

    def follow(self, ident: str, *, most_failures: int, brings: Release | None = None) -> Followed:
        """Follows a deployment to its end. More failures than that, a gate, no progress, or a signal stop it.

        `brings` is the release that it deploys, where that is not the goal. Raises LeaseLost and StateUnavailable.
        """
        ruling, self._moved, self._stopping = None, (None, self.clock.now()), False
        self._brings = brings
        while True:
            self._beat()
            try:
                deployment = self.api.deployment(ident)
                targets = tuple(self.api.targets(ident))
                self._take_in(ident, targets)
                self._look(self._waits(targets))
            except AwsError as error:
                self.watch(Noted(f"cannot look: {error}", warning=True))
                if self._stuck(None):
                    raise
                self.clock.sleep(self.poll)
                continue
            followed = Followed(deployment, targets, ruling)
            if deployment.status.ended:
                return followed
            if self.stop.urgent:
                return replace(followed, abandoned=True)
            ruling = ruling or self._stop_if_need_be(followed, most_failures)
            if deployment.status is DeploymentStatus.READY and ruling is None:
                self._go_on_when_proven(ident, targets)
            self.clock.sleep(self.poll)

    def look(self) -> Observation:
        """One look at the fleet, told to who watches; the lease is kept.

        Raises LeaseLost and StateUnavailable, and AwsError when AWS has not answered for too long.
        """
        began = self.clock.now()
        while True:
            self._beat()
            try:
                return self._look(())
            except AwsError as error:
                self.watch(Noted(f"cannot look: {error}", warning=True))
                if self.clock.now() - began > self.plan.policy.deadlines.progress:
                    raise
                self.clock.sleep(self.poll)

    def _beat(self) -> None:
        self.hold.lease.heartbeat()
        self.mailbox.look()

    def _look(self, waits: Sequence[tuple[str, str, float | None]]) -> Observation:
        now = self.clock.now()
        observer = Observer(self.plan, self.memory)
        observer.take_in(tuple(self._stamped(report) for report in self.ground.hosts.reports()), now)
        seen = observer.observe(self.ground.cloud.look(), self.clock.now())
        count = serving(seen)
        lowest = self.tallies.lowest
        self.tallies.lowest = count if lowest is None else min(lowest, count)
        alive = sum(len(slot.alive) for slot in seen.slots)
        self.tallies.highest_alive = max(self.tallies.highest_alive, alive)
        self.watch(Looked(seen, tuple(waits), count))
        self._ask(seen)
        self.seen = seen
        return seen

    def _stamped(self, report: HostReport) -> HostReport:
        """An answer from before its instance was changed says nothing of what is on it now."""
        if not isinstance(report, Answered):
            return report
        stale = report.answer.at < self._put_at.get(report.instance, report.answer.at)
        answer = report.answer if stale else self.deployed.stamp(report.instance, report.answer)
        return replace(report, answer=answer)

    def _ask(self, seen: Observation) -> None:
        """Asks every instance that ought to serve the goal and has not shown it."""
        for _, one in seen.instances():
            stale = one.answer is None or seen.now - one.answer.at > _FRESH
            if one.running and one.instance.address and stale and not seen.serves_goal(one):
                self.ground.hosts.submit(Ask(Host(one.id, one.instance.address, one.instance.zone)))

    # --- when to stop it, and when to let it go on ----------------------------------------------

    def _stop_if_need_be(self, followed: Followed, most_failures: int) -> Ruling | None:
        """Stops the deployment for the first reason there is, and returns it."""
        ruling = self._reason_to_stop(followed, most_failures)
        if ruling is not None:
            text = f"stopping the deployment {followed.deployment.id}: {ruling.reason}"
            self.watch(Noted(text, warning=True))
            self._stopping = True
            self.api.stop(followed.deployment.id)
        return ruling

    def _reason_to_stop(self, followed: Followed, most_failures: int) -> Ruling | None:
        if self.stop.count:
            return Ruling(Verdict.PENDING, f"interrupted by {self.stop.signal}")
        if followed.failed > most_failures:
            return Ruling(Verdict.FAIL, f"{followed.failed} failed, {most_failures} are put up with")
        if self._stuck(followed.targets):
            return Ruling(Verdict.FAIL, f"nothing has moved for {self._patience:g} s")
        return self.gates_say()

    def gates_say(self) -> Ruling | None:
        """What the gates that are asked throughout have against it; on the way back none is asked."""
        if self.seen is None or self.seen.rolling_back or Point.THROUGHOUT not in self.hooks.line.points:
            return None
        occasion = Occasion(Point.THROUGHOUT)
        self.hooks.ask([occasion], self.seen)
        ruling = self.hooks.ruling_at(occasion, back=False)
        if ruling.verdict in (Verdict.PASS, Verdict.PENDING):
            return None
        return Ruling(ruling.verdict, f"{occasion}: {ruling.reason}")

    @property
    def _patience(self) -> float:
        """Seconds without a change: CodeDeploy waits out the whole deregistration delay, which is no standstill."""
        delay = max((balancer.deregistration_delay for balancer in self.plan.balancers), default=0.0)
        return self.plan.policy.deadlines.progress + delay

    def _stuck(self, targets: tuple[TargetFacts, ...] | None) -> bool:
        now, (last, since) = self.clock.now(), self._moved
        if targets is not None and targets != last:
            self._moved = (targets, now)
            return False
        return now - since > self._patience

    def _go_on_when_proven(self, ident: str, targets: Sequence[TargetFacts]) -> None:
        """Green gets traffic when every instance that was installed answers with the release."""
        green = [one for one in targets if one.label != BLUE and one.progress is not Progress.FAILED]
        if self.seen is not None and green and all(self._serves(self.seen, one.instance) for one in green):
            self.watch(Noted(f"all {len(green)} green instances answer with release {self.memory.goal.name}"))
            self.api.go_on(ident)

    @staticmethod
    def _serves(seen: Observation, instance: str) -> bool:
        one = seen.find(instance)
        return one is not None and seen.serves_goal(one)

    # --- from targets to what is shown ---------------------------------------------------------

    def _take_in(self, ident: str, targets: Sequence[TargetFacts]) -> None:
        done: list[str] = []
        for target in targets:
            for event in target.events:
                self._tell_event(ident, target, event)
            if target.label == BLUE:
                continue
            known = (ident, target.instance, "", target.progress)
            if not target.progress.ended and is_changed(target):
                self._put(target.instance, self._brought.digest if is_installed(target) else None)
            if target.progress in (Progress.IN_PROGRESS, Progress.READY):
                self._began(target)
            if target.progress.ended and known not in self._told:
                self._told.add(known)
                done += self._ended(target)
        if done:
            goal = self._brought
            self.ground.cloud.tag(done, installed_tags(goal.name, goal.digest, self.plan.rollout))

    @property
    def _brought(self) -> Release:
        return self._brings or self.memory.goal

    def _put(self, instance: str, digest: str | None) -> None:
        """Notes what is on an instance from now on; what it answered before is void."""
        if instance in self.deployed.digests and self.deployed.digests[instance] == digest:
            return
        self.deployed.digests[instance] = digest
        self._put_at[instance] = self.clock.now()
        self.memory.facts(instance).answer = None

    def _tell_event(self, ident: str, target: TargetFacts, event: EventFacts) -> None:
        known = (ident, target.instance, event.name, event.progress)
        if event.progress not in (Progress.SUCCEEDED, Progress.FAILED) or known in self._told:
            return
        self._told.add(known)
        error = event.message or event.code if event.progress is Progress.FAILED else ""
        text = f"{target.instance}: {event.name}"
        self.watch(Acted(_move(target.instance, event.name), text if error else f"{text} succeeded", error))

    def _began(self, target: TargetFacts) -> None:
        facts = self.memory.facts(target.instance)
        if facts.install.work in (Work.NONE, Work.DONE) and facts.failed is None:
            self.memory.begin(self._slot(target.instance), self.clock.now())
        work = Work.DONE if target.progress is Progress.READY else Work.RUNNING
        facts.install = Install(work, self._brought.digest)

    def _ended(self, target: TargetFacts) -> list[str]:
        """Takes in how a target ended; returns it when it has the goal's release now."""
        facts = self.memory.facts(target.instance)
        slot = self._slot(target.instance)
        if is_changed(target):
            self._put(target.instance, self._brought.digest if target.progress is Progress.SUCCEEDED else None)
        match target.progress:
            case Progress.SUCCEEDED:
                facts.install, facts.answer = Install(Work.DONE, self._brought.digest), None
                facts.failed = None
                began = self.memory.slot(slot).begun_at
                if began is not None:
                    self.seconds.append(self.clock.now() - began)
                    self.watch(Completed(slot, target.instance, self.seconds[-1]))
                return [target.instance]
            case Progress.FAILED if self._was_cut_short(target):
                facts.install = Install()
                at = target.failure.name if target.failure is not None else "its start"
                self.watch(Noted(f"{target.instance} was cut short at {at}"))
            case Progress.FAILED:
                reason, evidence = explain(target)
                facts.install = Install(Work.FAILED, self._brought.digest, reason)
                self.memory.fail(target.instance, reason)
                self.journal.append("failure", target.instance, {"reason": reason})
                self.watch(Failed(target.instance, reason, evidence))
            case _:
                facts.install = Install()
        return []

    def _was_cut_short(self, target: TargetFacts) -> bool:
        """Whether it ended because the deployment was stopped, and not by a script of its own."""
        failure = target.failure
        return self._stopping and (failure is None or not failure.code.startswith("Script"))

    def _slot(self, instance: str) -> str:
        held = {slot.instance: slot.name for slot in self.plan.slots}
        return self.memory.slot_of.get(instance) or held.get(instance, instance)

    @staticmethod
    def _waits(targets: Sequence[TargetFacts]) -> list[tuple[str, str, float | None]]:
        return [
            (target.instance, f"{now.name}{'' if now.progress is Progress.IN_PROGRESS else ' done'}", None)
            for target in targets
            if target.progress is Progress.IN_PROGRESS and (now := target.current) is not None
        ]


def serving(seen: Observation) -> int:
    """How many instances carry the fleet's traffic: healthy at every balancer, by the balancers' own word.

    A worker fleet has no balancer; there those count that nothing is done to.
    """
    return sum(1 for _, one in seen.instances() if one.running and _serves_now(one))


def _serves_now(one: Seen) -> bool:
    if one.targets:
        return one.healthy_everywhere
    return one.install.work not in (Work.RUNNING, Work.FAILED, Work.UNKNOWN)


def explain(target: TargetFacts) -> tuple[str, str]:
    """Why a target failed, and the end of what its script said."""
    event = target.failure
    if event is None:
        return "it was cut short, when the deployment was stopped", ""
    what = f"{event.name}: {event.message or 'failed'}"
    return (f"{what} ({event.code})" if event.code and event.code != "UnknownError" else what), event.tail


def _move(instance: str, event: str) -> Move:
    if event in _BLOCKS:
        return Drain(instance)
    return Attach(instance) if event in _ALLOWS else Update(instance)
