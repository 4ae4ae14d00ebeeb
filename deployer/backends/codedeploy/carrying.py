"""Carries a plan out with CodeDeploy: forward, and back when it fails; the first time, or resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.codedeploy_values import DeploymentFacts, DeploymentOrder, DeploymentStatus, Revision
from deployer.backends.codedeploy import green
from deployer.backends.codedeploy.following import Followed, Follower
from deployer.backends.codedeploy.revisions import uploaded
from deployer.backends.codedeploy.setting_up import Setup
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.engine.events import Noted, Turned
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal
from deployer.model.errors import AwsError, FleetHeld, PreflightRefused
from deployer.model.fleet import Release
from deployer.model.observation import Observation, Seen, Stance
from deployer.model.policy import OnFailure


@dataclass(frozen=True)
class Ended:
    """How a rollout ended."""

    kind: str
    """`reached`, `rolled back`, `failed` or `interrupted`."""
    reason: str | None = None
    safe: bool = True
    """Whether the fleet is in service as far as the floor asks."""
    abandoned: bool = False


@dataclass
class Carrier:
    """One rollout. `setup` says what its deployments stand on."""

    api: CodeDeploy
    plan: RolloutPlan
    setup: Setup
    follower: Follower
    journal: Journal

    @property
    def blue_green(self) -> bool:
        """Whether green instances take over."""
        return self.plan.strategy == BLUE_GREEN

    # --- forward --------------------------------------------------------------------------------

    def forward(self) -> Ended:
        """Brings the fleet to the goal, or back. Raises DeployerError before anything of the fleet is changed."""
        revisions = self._revisions()
        self.setup.make(self.api)
        for release, revision in revisions.items():
            self.api.register(self.setup.group.application, revision, f"release {release} of {self.plan.fleet}")
        adopted = self._adopted(revisions[self.plan.goal.name])
        if adopted is None and self.blue_green:
            self._provide_green()
        followed = self._deploy(revisions[self.plan.goal.name], adopted)
        return self._after(followed, revisions)

    def back(self) -> Ended:
        """Brings every instance back to the release before; the memory has been turned round."""
        self._stop_ours()
        if self.blue_green:
            return self._back_to_blue("aborted")
        revision = self._revisions()[self.plan.previous.name]
        return self._after_way_back(self._deploy(revision, self._adopted(revision)), "aborted")

    def _stop_ours(self) -> None:
        """Ends what this rollout has running towards the goal that it turned away from."""
        goal = f": release {self.plan.goal.name} of "
        for running in self.api.running(self.setup.group.application, self.setup.group.name):
            if self.plan.rollout in running.description and goal in running.description:
                self.api.stop(running.id)
                self.follower.follow(running.id, most_failures=self.plan.limits.size)

    def _revisions(self) -> Mapping[str, Revision]:
        """What is needed for the way, and for the way back, in S3 before the first change (promise 10)."""
        wiring = self.follower.ground.wiring
        needed = [self.plan.goal]
        if not self.blue_green and self.plan.policy.on_failure is OnFailure.ROLLBACK:
            needed.append(self.plan.previous)
        packages = {release.name: wiring.package(release) for release in needed}
        return {name: uploaded(wiring, package) for name, package in packages.items() if package is not None}

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
        follower.hold.keep = True  # from here on the fleet may be half way, whatever ends this
        ident = adopted or self._create(revision, goal)
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
        follower = self.follower
        if followed.abandoned:
            return Ended("interrupted", "asked to stop twice; the deployment goes on by itself", abandoned=True)
        succeeded = followed.deployment.status is DeploymentStatus.SUCCEEDED
        if succeeded and followed.failed <= self.plan.policy.max_failures:
            silent = self._unproven()
            if not silent:
                return Ended("reached")
            reason = f"{', '.join(silent)} did not show release {self.plan.goal.name}"
        else:
            reason = _reason(followed)
        if follower.stop.count:
            return self._rest(reason)
        if self.plan.policy.on_failure is not OnFailure.ROLLBACK:
            self._mend()
            return Ended("failed", reason, safe=self._is_safe())
        return self._roll_back(reason, revisions)

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
            return Ended("interrupted", reason, abandoned=True)
        well = followed.deployment.status is DeploymentStatus.SUCCEEDED and not followed.failed
        if well and not self._unproven():
            return Ended("rolled back", reason)
        return Ended("failed", f"{reason}; and the way back failed: {_reason(followed)}", safe=False)

    def _back_to_blue(self, reason: str) -> Ended:
        """Blue takes all traffic again, and green goes."""
        follower = self.follower
        blue = frozenset(slot.instance for slot in self.plan.slots)
        gone = frozenset(follower.memory.slot_of)
        way_back = green.WayBack(follower.ground.cloud, blue, gone)
        end = follower.clock.now() + self.plan.policy.deadlines.progress
        while not way_back.step(follower.look()):
            follower.hold.lease.heartbeat()
            if follower.clock.now() > end:
                return Ended("failed", f"{reason}; and blue did not get all its traffic back in time", safe=False)
            follower.clock.sleep(follower.poll)
        return Ended("rolled back", reason)

    def _rest(self, reason: str) -> Ended:
        self._mend()
        return Ended("interrupted", reason, safe=self._is_safe())

    def _mend(self) -> None:
        """Whoever was cut short outside of its balancers and answers well is given back to them."""
        follower = self.follower
        end = follower.clock.now() + self.plan.policy.deadlines.health
        while follower.clock.now() < end:
            seen = follower.look()
            out = [one for _, one in seen.instances() if one.running and not one.healthy_everywhere]
            fit = frozenset(one.id for one in out if one.answer is not None and one.answer.ok)
            if not fit or green.WayBack(follower.ground.cloud, fit, frozenset()).step(seen):
                return
            follower.clock.sleep(follower.poll)

    def _unproven(self) -> list[str]:
        """Who does not show the goal's release, after the time that an instance may take to become healthy."""
        follower = self.follower
        end = follower.clock.now() + self.plan.policy.deadlines.health
        while True:
            seen = follower.look()
            silent = [
                one.id for one in self._expected(seen) if not (seen.serves_goal(one) and one.healthy_everywhere)
            ]
            if not silent or follower.clock.now() > end or follower.stop.count:
                return silent
            follower.clock.sleep(follower.poll)

    def _expected(self, seen: Observation) -> list[Seen]:
        blue = {slot.instance for slot in self.plan.slots} if self.blue_green else set()
        failed = {name for name, facts in self.follower.memory.instances.items() if facts.failed is not None}
        return [one for _, one in seen.instances() if one.alive and one.id not in blue | failed]

    def _is_safe(self) -> bool:
        lowest = self.follower.tallies.lowest
        return lowest is not None and lowest >= self.plan.limits.floor


def _reason(followed: Followed) -> str:
    if followed.why:
        return followed.why
    failed = next((target for target in followed.targets if target.failure is not None), None)
    said = followed.deployment.error or f"the deployment {followed.deployment.status.value.lower()}"
    if failed is None or failed.failure is None:
        return said
    return f"{failed.instance}: {failed.failure.name}: {failed.failure.message or 'failed'}; {said}"


def _held(setup: Setup, running: DeploymentFacts) -> str:
    return (
        f"the deployment {running.id} of another revision runs on {setup.group.name}; wait for its end, or stop it "
        f"with `aws deploy stop-deployment --deployment-id {running.id}`"
    )
