"""Carries a plan out with CodeDeploy: forward, and back when it fails; the first time, or resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.codedeploy_values import DeploymentFacts, DeploymentOrder, DeploymentStatus, Revision
from deployer.backends.codedeploy import green
from deployer.backends.codedeploy.following import Followed, Follower
from deployer.backends.codedeploy.proving import is_safe, mend, silent
from deployer.backends.codedeploy.quiet_group import QuietGroup
from deployer.backends.codedeploy.setting_up import Setup
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Turned
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.model.errors import AwsError, FleetHeld, PreflightRefused
from deployer.model.fleet import Release, kept_tags
from deployer.model.hosts import Package
from deployer.model.observation import Stance
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.policy import Keep, OnFailure
from deployer.rollout.hooks.around import Hooked
from deployer.rollout.hooks.calls import Standing

_A_FEW_LOOKS = 10.0
"""Seconds in which instances that were never changed have shown it."""


class End(Enum):
    """How a rollout ends. PAUSED: a gate was in doubt, and somebody has to say whether it goes on."""

    REACHED = "reached"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"

    @property
    def open(self) -> bool:
        """Whether it may be gone on with."""
        return self in (End.INTERRUPTED, End.PAUSED)


@dataclass(frozen=True)
class Ended:
    """How a rollout ended, and why."""

    end: End
    reason: str | None = None
    safe: bool = True
    """Whether the fleet is in service as far as the floor asks."""
    abandoned: bool = False
    """Whether its deployment goes on with nobody to follow it."""
    asks: bool = False
    """Whether it failed, and somebody is to say what becomes of it (`on_failure = "ask"`)."""


@dataclass
class Carrier:
    """One rollout. `setup` says what its deployments stand on."""

    api: CodeDeploy
    plan: RolloutPlan
    setup: Setup
    follower: Follower
    journal: Journal
    hooks: Hooked
    upload: Callable[[Package], Revision]
    group: QuietGroup

    @property
    def blue_green(self) -> bool:
        """Whether green instances take over."""
        return self.plan.strategy == BLUE_GREEN

    # --- forward --------------------------------------------------------------------------------

    def forward(self) -> Ended:
        """Brings the fleet to the goal, or back. Raises DeployerError before anything of the fleet is changed."""
        revisions = self._revisions()
        goal = revisions[self.plan.goal.name]
        adopted = self._adopted(goal)
        self._set_up(revisions)
        if adopted is None and self.blue_green:
            self._provide_green()
        if adopted is None and self.follower.stop.count:
            return Ended(End.INTERRUPTED, "interrupted before anything was deployed", safe=is_safe(self.follower))
        try:
            followed = self._deploy(goal, adopted)
        except AwsError:
            if self.blue_green and not self.follower.hold.keep:
                # Nothing was deployed, so nobody would ever come for green.
                self.follower.ground.cloud.terminate(sorted(self.follower.memory.slot_of))
            raise
        return self._after(followed, revisions)

    def back(self) -> Ended:
        """Brings every instance back to the release before; the memory has been turned round."""
        self.follower.hold.keep = True
        self._stop_ours()
        if self.blue_green:
            return self._back_to_blue("aborted")
        if not any(record.subject == "deployment" for record in self.journal.records()):
            return Ended(End.ROLLED_BACK, "aborted before anything was deployed")
        mend(self.follower)
        if not silent(self.follower, within=_A_FEW_LOOKS):
            return Ended(End.ROLLED_BACK, f"aborted; every instance serves release {self.plan.previous.name}")
        revisions = self._revisions()
        revision = revisions[self.plan.previous.name]
        adopted = self._adopted(revision)
        self._set_up(revisions)
        return self._after_way_back(self._deploy(revision, adopted), "aborted")

    def _set_up(self, revisions: Mapping[str, Revision]) -> None:
        """Makes what deployments stand on, and registers what is deployed."""
        self.setup.make(self.api)
        for release, revision in revisions.items():
            self.api.register(self.setup.group.application, revision, f"release {release} of {self.plan.fleet}")

    def _stop_ours(self) -> None:
        """Ends what this rollout has running towards the goal that it turned away from."""
        if self.setup.found is None:
            return
        goal = f": release {self.plan.goal.name} of "
        for running in self.api.running(self.setup.group.application, self.setup.group.name):
            if self.plan.rollout in running.description and goal in running.description:
                self.api.stop(running.id)
                self.follower.follow(running.id, most_failures=self.plan.limits.size, brings=self.plan.goal)

    def _revisions(self) -> Mapping[str, Revision]:
        """What is needed for the way, and for the way back, in S3 before the first change (promise 10)."""
        needed = [self.plan.goal]
        if not self.blue_green and self.plan.policy.on_failure is not OnFailure.STOP:
            needed.append(self.plan.previous)
        return {release.name: self.upload(self._package(release)) for release in needed}

    def _package(self, release: Release) -> Package:
        """The bundle of a release. Raises PreflightRefused when it is gone, or not what the plan is pinned to."""
        package = self.follower.ground.wiring.package(release)
        if package is None:
            raise PreflightRefused(
                f"the settings name no bundle of release {release.name}; have `{{release}}` stand for the release "
                f"in `bundle` of [fleet.{self.plan.fleet}.release]"
            )
        if release == self.plan.goal and release.digest and release.digest != package.digest:
            raise PreflightRefused(
                f"the bundle of release {release.name} has changed since rollout {self.plan.rollout} began (sha256 "
                f"{release.digest[:16]}…, now {package.digest[:16]}…); put it back to go on, or turn round with "
                "`deployer abort`"
            )
        return package

    def _adopted(self, revision: Revision) -> str | None:
        """The id of a running deployment of this very revision. Raises FleetHeld for one of another (fault 49)."""
        if self.setup.found is None:
            return None
        done = self._succeeded_before()
        if done is not None:
            return done
        for running in self.api.running(self.setup.group.application, self.setup.group.name):
            if not revision.is_same(running.revision):
                raise FleetHeld(_held(self.setup, running))
            self.follower.watch(Noted(f"the deployment {running.id} of this revision runs already; it is followed"))
            return running.id
        return None

    def _succeeded_before(self) -> str | None:
        """The deployment of this rollout that brought the memory's goal, where it ran on while nobody watched."""
        goal = self.follower.memory.goal.name
        noted = [r.data for r in self.journal.records() if r.kind == "note" and r.subject == "deployment"]
        mine = [str(data["id"]) for data in noted if data.get("release") == goal]
        if not mine or self.api.deployment(mine[-1]).status is not DeploymentStatus.SUCCEEDED:
            return None
        return mine[-1]

    def _provide_green(self) -> None:
        follower = self.follower
        cloud = follower.ground.cloud
        green.mark_blue(cloud, self.plan)
        instances = {one.id: one for one in follower.ground.found.instances}
        wanted = green.orders(self.plan, instances)
        self.journal.append("intent", "launch", {"tokens": [order.token for order in wanted]})
        follower.watch(Noted(f"launching {len(wanted)} green instances"))
        made = green.launch(cloud, wanted)
        for slot, instance in made.items():
            follower.memory.launched(slot, instance, follower.clock.now())
        limit = self.plan.policy.deadlines.launch
        try:
            green.wait_until_running(follower.look, made, limit, follower.clock.sleep)
        except AwsError as error:
            cloud.terminate([instance.id for instance in made.values()])
            raise PreflightRefused(f"{error}; the green instances are terminated, blue was not touched") from error

    def _deploy(self, revision: Revision, adopted: str | None) -> Followed:
        follower, goal = self.follower, self.follower.memory.goal
        self.group.quieten()
        ident = adopted or self._create(revision, goal)
        follower.hold.keep = True  # from here on the fleet may be half way, whatever ends this
        self.journal.append("note", "deployment", {"id": ident, "release": goal.name})
        follower.watch(Noted(f"deployment {ident} of release {goal.name} to {self.setup.group.name}"))
        most = self.plan.limits.size if follower.memory.rolling_back else self.plan.policy.max_failures
        return follower.follow(ident, most_failures=most)

    def _create(self, revision: Revision, goal: Release) -> str:
        order = DeploymentOrder(
            self.setup.group,
            self.setup.config.name,
            revision,
            f"deployer rollout {self.plan.rollout}: release {goal.name} of {self.plan.fleet}",
            green=green.side_of(self.plan, "green") if self.blue_green else None,
            ignore_stop_failures=self.plan.policy.ignore_stop_failures,
        )
        self.journal.append("intent", "deployment", {"release": goal.name, "description": order.description})
        try:
            return self.api.create(order)
        except AwsError:
            # The answer may have been lost after all: CreateDeployment has no token to ask with.
            for running in self.api.running(order.group.application, order.group.name):
                if running.description == order.description[:256]:
                    return running.id
            raise

    # --- afterwards -----------------------------------------------------------------------------

    def _after(self, followed: Followed, revisions: Mapping[str, Revision]) -> Ended:
        if followed.abandoned:
            reason = f"{_no_time(self.follower.stop)}; the deployment {followed.deployment.id} goes on by itself"
            return Ended(End.INTERRUPTED, reason, abandoned=True)
        ruling = self._ruling_of(followed)
        if self.follower.stop.count and ruling.verdict is not Verdict.PASS:
            return self._rest(End.INTERRUPTED, ruling.reason)
        match ruling.verdict:
            case Verdict.PASS:
                return Ended(End.REACHED)
            case Verdict.FAIL if self.plan.policy.on_failure is OnFailure.ROLLBACK:
                return self._roll_back(ruling.reason, revisions)
            case Verdict.FAIL if self.plan.policy.on_failure is OnFailure.ASK:
                return self._asks(ruling.reason)
            case Verdict.INCONCLUSIVE:
                return self._rest(End.PAUSED, ruling.reason)
            case _:
                return self._rest(End.FAILED, ruling.reason)

    def _asks(self, reason: str) -> Ended:
        """Paused, for somebody to say whether it goes on or back; whoever resumes it knows of what failed."""
        record = {"reason": reason, "rolling_back": False, "asks": True}
        self.journal.append("stance", Stance.SETTLE.value, record)
        self.follower.watch(Turned(Stance.SETTLE, reason, rolling_back=False))
        return replace(self._rest(End.PAUSED, reason), asks=True)

    def _ruling_of(self, followed: Followed) -> Ruling:
        """What a deployment came to: the last word is that of the final soak.

        One that was to be stopped may have been through before that: so much the better.
        """
        stopped, few = followed.ruling, followed.failed <= self.plan.policy.max_failures
        succeeded = followed.deployment.status is DeploymentStatus.SUCCEEDED and few
        if stopped is not None and not (succeeded and stopped.verdict is Verdict.PENDING):
            return Ruling(stopped.verdict, _reason(followed))
        if not succeeded:
            return Ruling(Verdict.FAIL, _reason(followed))
        unproven = silent(self.follower)
        if unproven:
            return Ruling(Verdict.FAIL, f"{', '.join(unproven)} did not show release {self.plan.goal.name}")
        against = self.follower.gates_say()
        if against is not None:
            return against
        occasion = Occasion(Point.FINAL_SOAK)
        ruling = self.hooks.wait_for(occasion, Standing(self.follower.look()))
        return Ruling(ruling.verdict, f"{occasion}: {ruling.reason}")

    def _roll_back(self, reason: str, revisions: Mapping[str, Revision]) -> Ended:
        follower = self.follower
        follower.memory.turn_back()
        self.journal.append("stance", Stance.ADVANCE.value, {"reason": reason, "rolling_back": True})
        follower.watch(Turned(Stance.ADVANCE, reason, rolling_back=True))
        if self.blue_green:
            return self._back_to_blue(reason)
        return self._after_way_back(self._deploy(revisions[self.plan.previous.name], None), reason)

    def _after_way_back(self, followed: Followed, reason: str) -> Ended:
        if followed.abandoned:
            return Ended(End.INTERRUPTED, reason, abandoned=True)
        well = followed.deployment.status is DeploymentStatus.SUCCEEDED and not followed.failed
        if well and not silent(self.follower):
            return Ended(End.ROLLED_BACK, reason)
        if self.follower.stop.count:
            return self._rest(End.INTERRUPTED, f"{reason}; the way back was interrupted")
        return Ended(End.FAILED, f"{reason}; and the way back failed: {_reason(followed)}", safe=False)

    def _back_to_blue(self, reason: str) -> Ended:
        """Blue takes all traffic again, and green goes; where blue is gone, green stays as it is."""
        follower, blue = self.follower, frozenset(slot.instance for slot in self.plan.slots)
        floor, end = self.plan.limits.floor, follower.clock.now() + self.plan.policy.deadlines.progress
        keeps = self.plan.policy.failed_instances is Keep.KEEP
        marks = kept_tags(self.plan.fleet, self.plan.rollout)
        while True:
            seen = follower.look()
            left = [one.id for _, one in seen.instances() if one.id in blue and one.alive]
            if len(left) < max(floor, 1):
                return Ended(End.FAILED, f"{reason}; {_no_blue(self.plan, len(left))}", safe=is_safe(follower))
            # Whom this rollout launched is known by a look alone, where another process did it.
            ours = [one for _, one in seen.instances() if one.launched_by_us]
            spare = frozenset(one.id for one in ours if keeps and one.failed is not None)
            leaving = frozenset(one.id for one in ours)
            if green.WayBack(follower.ground.cloud, blue, leaving, spare, marks).step(seen):
                return Ended(End.ROLLED_BACK, reason)
            if follower.stop.urgent:
                late = f"{reason}; {_no_time(follower.stop)} on the way back"
                return Ended(End.INTERRUPTED, late, abandoned=True)
            if follower.clock.now() > end:
                late = f"{reason}; and blue did not get all its traffic back in time"
                return Ended(End.FAILED, late, safe=False)
            follower.clock.sleep(follower.poll)

    def _rest(self, end: End, reason: str) -> Ended:
        out = mend(self.follower)
        if out:
            reason = f"{reason}; out of service, as their applications do not answer: {', '.join(out)}"
        late = bool(out) and self.follower.stop.urgent
        return Ended(end, reason, safe=is_safe(self.follower), abandoned=late)


def _no_time(stop: StopRequest) -> str:
    """Why nothing is waited for any more."""
    return "asked to stop twice" if stop.count >= 2 else f"asked to stop, and {stop.within:g} s were not enough"


def _reason(followed: Followed) -> str:
    """Why it did not go well: what failed first on an instance, and what CodeDeploy or we made of it."""
    said = followed.deployment.error or f"the deployment {followed.deployment.status.value.lower()}"
    if followed.ruling is not None:
        said = followed.ruling.reason
    failed = next((target for target in followed.targets if target.failure is not None), None)
    if failed is None or failed.failure is None:
        return said
    return f"{failed.instance}: {failed.failure.name}: {failed.failure.message or 'failed'}; {said}"


def _no_blue(plan: RolloutPlan, left: int) -> str:
    return (
        f"the way back is gone: {left} of {len(plan.slots)} blue instances are left, fewer than the floor of "
        f"{plan.limits.floor}, so green keeps the traffic; `deployer rollback` brings the release before back"
    )


def _held(setup: Setup, running: DeploymentFacts) -> str:
    return (
        f"the deployment {running.id} of another revision runs on {setup.group.name}; wait for its end, or stop it "
        f"with `aws deploy stop-deployment --deployment-id {running.id}`"
    )
