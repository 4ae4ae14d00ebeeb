"""A fleet and its CodeDeploy in memory and virtual time: what the carrier asks for happens, one batch a look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from deployer.aws.codedeploy_values import (
    DeploymentFacts,
    DeploymentOrder,
    DeploymentStatus,
    EventFacts,
    GroupSpec,
    HostConfig,
    Progress,
    Revision,
    TargetFacts,
)
from deployer.backends.codedeploy.carrying import Carrier, Ended
from deployer.backends.codedeploy.deployed import Deployed
from deployer.backends.codedeploy.following import Follower
from deployer.backends.codedeploy.quiet_group import QuietGroup
from deployer.backends.codedeploy.setting_up import Setup
from deployer.engine.clock import StopRequest
from deployer.engine.events import Event
from deployer.engine.memory import Memory
from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.engine.ports import LaunchOrder, Registration, Sighting
from deployer.hooks.doors import Doors
from deployer.model.capacity import Limits
from deployer.model.errors import AwsError
from deployer.model.fleet import Instance, Release, Target, TargetState
from deployer.model.hosts import Answered, Ask, HostReport, Package
from deployer.model.observation import Answer, Proof
from deployer.model.outcome import Done, Outcome
from deployer.model.policy import Method, Policy
from deployer.rollout.hooks.around import Hooked
from deployer.rollout.hooks.calls import Caller
from deployer.rollout.hooks.line import Line
from deployer.rollout.hooks.runner import HookRunner
from tests.builders import BALANCER, GOAL, PREVIOUS, instance
from tests.hooks.test_runner import Clock, Notes
from tests.hooks.twin import at_once

SPEC = GroupSpec("deployer-web", "web-in-place", tags=(("Role", "web"),), target_groups=("shop",))
SETUP = Setup(SPEC, HostConfig("two", 2), "role", True, True, SPEC, None)
POLICY = Policy(method=Method.IN_PLACE)
BROKEN = EventFacts(
    "ApplicationStart", Progress.FAILED, "ScriptFailed", "start", "start failed with exit code 7", "no shelves"
)
PLAN = RolloutPlan(
    rollout="r-1",
    fleet="web",
    strategy="rolling",
    strategy_settings={},
    previous=PREVIOUS,
    goal=GOAL,
    limits=Limits(4, 2, 2, 0),
    policy=POLICY,
    balancers=(BALANCER,),
    slots=tuple(PlannedSlot(f"slot-{n}", "a", "subnet-a", f"i-{n}", "t3.micro") for n in range(1, 5)),
    backend="codedeploy",
)


def revision_of(release: str) -> Revision:
    """The revision of a release."""
    return Revision("bundles", f"deployer/web/{release}.tar.gz", f"etag-{release}")


@dataclass
class Deployment:
    """A deployment that goes on by one batch with every look."""

    id: str
    revision: Revision
    description: str
    release: str
    status: DeploymentStatus = DeploymentStatus.CREATED
    targets: dict[str, TargetFacts] = field(default_factory=dict)


@dataclass
class World:
    """Four instances behind a balancer, and the deployments to them."""

    clock: Clock = field(default_factory=Clock)
    releases: dict[str, str] = field(default_factory=lambda: {f"i-{n}": "1" for n in range(1, 5)})
    breaks: set[tuple[str, str]] = field(default_factory=set)
    """Instances on which a release fails at ApplicationStart."""
    names_release: bool = True
    ignores_stop: bool = False
    """Whether a script goes on and on though its deployment is to stop."""
    hangs: float = 0.0
    """Seconds for which the first deployment shows no change."""
    out: set[str] = field(default_factory=set)
    """Instances that no balancer has."""
    refuses: bool = False
    """Whether CreateDeployment is refused."""
    loses_answer: bool = False
    silent_looks: int = 0
    """How many of the next looks fail."""
    deployments: list[Deployment] = field(default_factory=list)
    orders: list[DeploymentOrder] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """What was asked of balancers and instances."""
    asks: list[Ask] = field(default_factory=list)
    on_look: Callable[[], None] = lambda: None

    # --- the API of CodeDeploy, as far as it is used ------------------------------------------

    def create(self, order: DeploymentOrder) -> str:
        self.orders.append(order)
        if self.refuses:
            raise AwsError("deploying: InvalidRoleException")
        release = Path(order.revision.key).name.removesuffix(".tar.gz")
        one = Deployment(f"d-{len(self.deployments) + 1}", order.revision, order.description, release)
        one.targets = {name: TargetFacts(name, Progress.PENDING) for name in self.releases}
        self.deployments.append(one)
        if self.loses_answer:
            self.loses_answer = False
            raise AwsError("deploying: the connection was closed")
        return one.id

    def running(self, application: str, group: str) -> Sequence[DeploymentFacts]:
        return [self._facts(one) for one in self.deployments if not one.status.ended]

    def deployment(self, ident: str) -> DeploymentFacts:
        one = next(one for one in self.deployments if one.id == ident)
        self.on_look()
        if not one.status.ended and self.clock.at >= self.hangs:
            self._advance(one)
        return self._facts(one)

    def targets(self, ident: str) -> Sequence[TargetFacts]:
        return list(next(one for one in self.deployments if one.id == ident).targets.values())

    def stop(self, ident: str) -> None:
        self.stopped.append(ident)
        if self.ignores_stop:
            return
        next(one for one in self.deployments if one.id == ident).status = DeploymentStatus.STOPPED

    @staticmethod
    def _facts(one: Deployment) -> DeploymentFacts:
        error = "HEALTH_CONSTRAINTS: too many failed" if one.status is DeploymentStatus.FAILED else ""
        return DeploymentFacts(one.id, one.status, one.revision, one.description, error)

    def _advance(self, one: Deployment) -> None:
        if one.status is DeploymentStatus.CREATED:
            one.status = DeploymentStatus.IN_PROGRESS
            return
        waiting = [name for name, target in one.targets.items() if not target.progress.ended]
        for name in waiting[:2]:
            if (name, one.release) in self.breaks:
                event = BROKEN
                one.targets[name] = TargetFacts(name, Progress.FAILED, (event,))
                self.releases[name] = "broken"
            else:
                event = EventFacts("ValidateService", Progress.SUCCEEDED)
                one.targets[name] = TargetFacts(name, Progress.SUCCEEDED, (event,))
                self.releases[name] = one.release
        failed = [target for target in one.targets.values() if target.progress is Progress.FAILED]
        if len(failed) > 1:
            one.status = DeploymentStatus.FAILED
        elif len(waiting) <= 2:
            one.status = DeploymentStatus.SUCCEEDED

    # --- the fleet ----------------------------------------------------------------------------

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What was found."""
        return tuple(instance(name) for name in self.releases)

    def look(self) -> Sighting:
        if self.silent_looks:
            self.silent_looks -= 1
            raise AwsError("DescribeInstances: RequestLimitExceeded")
        targets = {
            name: Target(TargetState.UNHEALTHY if release == "broken" else TargetState.HEALTHY)
            for name, release in self.releases.items()
            if name not in self.out
        }
        return Sighting(self.instances, {BALANCER.id: targets})

    def tag(self, ids: Sequence[str], tags: Mapping[str, str]) -> Outcome[None]:
        self.asked.append(f"tag {' '.join(ids)}")
        return Done(None)

    def register(self, *asked: Any) -> None:
        """Of a revision with CodeDeploy, or of instances with the balancer."""
        if len(asked) > 1:
            self.asked.append(f"register {asked[1].key}")
            return
        self.out -= {one.instance for one in asked[0]}
        self.asked.append(f"attach {' '.join(one.instance for one in asked[0])}")

    def deregister(self, items: Sequence[Registration]) -> None:
        self.asked.append("deregister")

    def terminate(self, ids: Sequence[str]) -> None:
        self.asked.append("terminate")
        for ident in ids:
            self.releases.pop(ident)

    def set_aside(self, ids: Sequence[str], tags: Mapping[str, str]) -> None:
        self.asked.append(f"set aside {' '.join(ids)}")
        for ident in ids:
            self.releases.pop(ident)

    def launch(self, orders: Sequence[LaunchOrder]) -> Mapping[str, Outcome[Instance]]:
        made = {order.token: instance(f"i-green-{order.slot}") for order in orders}
        self.releases |= {one.id: "1" for one in made.values()}
        return {token: Done(one) for token, one in made.items()}

    def submit(self, task: Ask) -> None:
        self.asks.append(task)

    def reports(self) -> Sequence[HostReport]:
        found = [
            Answered(one.host.instance, self._answer(release))
            for one in self.asks
            if (release := self.releases.get(one.host.instance)) is not None
        ]
        self.asks.clear()
        return found

    def _answer(self, release: str) -> Answer:
        if self.names_release:
            return Answer(release != "broken", self.clock.at, release)
        return Answer(release != "broken", self.clock.at, proof=Proof.DEPLOYMENT)


@dataclass
class Rollout:
    """One rollout of release 2 in a world; `carrier` may be made again, as a resumed process."""

    world: World = field(default_factory=World)
    line: Line = field(default_factory=Line)
    plan: RolloutPlan = PLAN
    setup: Setup = SETUP
    journal: Notes = field(default_factory=Notes)
    events: list[Event] = field(default_factory=list)
    stop: StopRequest = field(default_factory=StopRequest)
    digests: dict[str, str] = field(default_factory=lambda: {"1": "digest-1", "2": "digest-2"})
    memory: Memory = field(default_factory=lambda: Memory(GOAL, PREVIOUS))
    group: Any = None
    """The Auto Scaling group, where the fleet lives in one."""
    beats: int = 0
    deployed: Deployed = field(default_factory=Deployed)
    """What the deployments before have put on each instance."""

    def forward(self) -> Ended:
        """Carries it out."""
        return self.carrier().forward()

    def back(self) -> Ended:
        """Turns it round, as `deployer abort` does."""
        self.memory.turn_back()
        return self.carrier().back()

    def carrier(self) -> Carrier:
        """One process's carrier."""
        world = self.world
        caller = Caller(self.plan, Path(), 8080)
        runner = HookRunner(self.line, caller, self.journal, world.clock, self.events.append, Doors(), at_once)
        follower = Follower(
            api=cast("Any", world),
            ground=cast("Any", SimpleNamespace(wiring=self, hosts=world, cloud=world, found=world)),
            plan=self.plan,
            memory=self.memory,
            journal=self.journal,
            hold=cast("Any", SimpleNamespace(lease=self, keep=False)),
            stop=self.stop,
            mailbox=cast("Any", SimpleNamespace(look=lambda: None)),
            watch=self.events.append,
            hooks=runner,
            poll=1.0,
            deployed=self.deployed,
        )
        hooks = Hooked(runner, world.clock, self.stop, lambda: None)
        return Carrier(
            follower.api,
            self.plan,
            self.setup,
            follower,
            self.journal,
            hooks,
            lambda package: revision_of(package.release),
            QuietGroup(self.group, self.journal),
        )

    # --- what the follower's ground and hold are here -----------------------------------------

    @property
    def clock(self) -> Clock:
        return self.world.clock

    def package(self, release: Release) -> Package | None:
        digest = self.digests.get(release.name)
        return Package(release.name, digest, Path("/none")) if digest is not None else None

    def heartbeat(self) -> None:
        self.beats += 1


def with_policy(**more: object) -> RolloutPlan:
    """The plan, with another policy."""
    return replace(PLAN, policy=replace(POLICY, **more))  # type: ignore[arg-type]
