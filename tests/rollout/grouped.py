"""A rollout on a group of the lab, as far as the group is concerned: prepare, swap, conclude."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.aws.cloud import AwsCloud
from deployer.aws.found import FoundFleet
from deployer.aws.group_sources import GroupSources
from deployer.aws.groups import AwsGroup
from deployer.aws.query import FleetQuery
from deployer.aws.session import AwsSession, AwsSettings
from deployer.engine.clock import RealClock
from deployer.engine.loop import Ending
from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.engine.ports import LaunchOrder, Registration
from deployer.lab.ec2 import seed_base_image
from deployer.model.capacity import Limits
from deployer.model.fleet import Balancer, BalancerKind, Release, Tag, Target, TargetState
from deployer.model.outcome import Done, Outcome, Temporary
from deployer.model.policy import Deadlines, Method, Policy
from deployer.rollout.group.footing import GroupFooting
from deployer.rollout.group.pre_scaling import Waiting
from tests.bake.world import MemoryJournal
from tests.lab.autoscaling.fleet import POOL, Auto, until

BALANCER = Balancer(POOL, "shop", BalancerKind.ALB, 8080)


@dataclass
class HeldLease:
    """A lease that a test can take away."""

    held: bool = True
    epoch: int = 1
    line: str = "a line"
    unlocked: str = ""

    def still_held(self) -> bool:
        return self.held

    def left(self) -> float:
        return 60.0 if self.held else 0.0

    def heartbeat(self) -> None:
        """Nothing expires."""

    def release(self) -> None:
        """Nothing is held."""


class QuietCloud(AwsCloud):
    """The fleet's instances for real; its balancer is the test's own record, which has no API."""

    def __init__(self, session: AwsSession, found: FoundFleet, said: Callable[[], dict[str, Target]]) -> None:
        super().__init__(session, found)
        self.said = said
        self.tags_are_throttled = False

    def set_aside(self, instances: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, Outcome[None]]:
        if self.tags_are_throttled:
            return dict.fromkeys(instances, Temporary("throttled", 1.0))
        return super().set_aside(instances, tags)

    def register(self, registrations: Any) -> Any:
        return {one: Done(None) for one in registrations}

    def _health(self, balancer: Balancer) -> Any:
        return Done(self.said())


@dataclass
class Grouped:
    """One group, one journal, and as many runs of one rollout as a test starts."""

    auto: Auto
    method: Method = Method.RELAUNCH
    workers: bool = False
    kind: str | None = None
    """The instance type that the rollout brings."""
    pre_scale: int = 0
    deadlines: Deadlines = field(default_factory=Deadlines)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    lease: HeldLease = field(default_factory=HeldLease)
    image: str = ""
    members: list[str] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lab = self.auto.lab
        self.image = seed_base_image(lab.ec2, "image-of-release-2", lab.home.parent / "base")
        settings = AwsSettings(region="eu-west-1", endpoint=self.auto.client.meta.endpoint_url)
        self.group = AwsGroup(AwsSession(settings), self.auto.name)

    def start(self, *, rolling_back: bool = False) -> GroupFooting:
        """Another process carries the rollout, from the journal."""
        self.members = self.members or list(self.auto.states())
        self.places = self.places or [self.auto.instance(one) for one in self.members]
        balancers = () if self.workers else (BALANCER,)
        found = FoundFleet(FleetQuery("web", asg=self.auto.name, balancers=()), (), balancers)
        cloud = QuietCloud(self.group.session, found, self._healthy)
        sources = GroupSources(self.group.session)
        footing = GroupFooting(self.group, cloud, self.plan(), self.journal, self.lease, sources)
        footing.prepare(Waiting(RealClock()), rolling_back=rolling_back)
        return footing

    def plan(self) -> RolloutPlan:
        """The plan: one slot a member."""
        slots = tuple(PlannedSlot(f"slot-{n}", "", "", one, "t3.micro") for n, one in enumerate(self.members))
        return RolloutPlan(
            rollout="r-1",
            fleet="web",
            strategy="rolling",
            strategy_settings={},
            previous=Release("1", "", self.auto.lab.image, "t3.micro" if self.kind else None),
            goal=Release("2", "", self.image, self.kind),
            limits=Limits(size=len(slots), window=1, floor=0, surge=0),
            policy=Policy(method=self.method, deadlines=self.deadlines),
            balancers=() if self.workers else (BALANCER,),
            slots=slots,
            pre_scale=self.pre_scale,
        )

    def _healthy(self) -> dict[str, Target]:
        """What the balancer says: everybody in service is healthy."""
        serving = [one for one, state in self.auto.states().items() if state == "InService"]
        return dict.fromkeys(serving, Target(TargetState.HEALTHY))

    def launch(self, footing: GroupFooting, slot: str, image: str | None = None, kind: str | None = None) -> str:
        """Launches into a slot and waits until it runs; its outcome is in the journal, as the engine puts it."""
        place = self.places[int(slot.removeprefix("slot-"))]
        serving = [one for one, state in self.auto.states().items() if state == "InService"]
        raw = next(raw for raw in map(self.auto.instance, serving) if raw["State"]["Name"] == "running")
        order = LaunchOrder(
            slot=slot,
            token=f"token-{slot}-{len(self.journal.lines)}",
            image=image or self.image,
            zone=place["Placement"]["AvailabilityZone"],
            subnet=place["SubnetId"],
            model=raw["InstanceId"],
            tags={Tag.FLEET: "web", Tag.ROLLOUT: "r-1", Tag.SLOT: slot},
            instance_type=kind or self.kind,
        )
        (outcome,) = footing.cloud.launch([order]).values()
        assert isinstance(outcome, Done), outcome
        made = outcome.value.id
        self._outcome({"move": "Launch", "slot": slot}, instance=made)
        until(lambda: self.auto.instance(made)["State"]["Name"] == "running", f"{made} running")
        return made

    def attach(self, footing: GroupFooting, instance: str) -> None:
        """Registers an instance with the fleet's balancer."""
        (outcome,) = footing.cloud.register([Registration(POOL, instance)]).values()
        assert isinstance(outcome, Done), outcome
        self._outcome({"move": "Attach", "instance": instance})

    def terminate(self, footing: GroupFooting, instance: str) -> None:
        """Terminates an instance."""
        self.journal.append("intent", "tick", {"moves": [{"move": "Terminate", "instance": instance}]})
        (outcome,) = footing.cloud.terminate([instance]).values()
        assert isinstance(outcome, Done), outcome
        self._outcome({"move": "Terminate", "instance": instance})

    def complete(self, instance: str) -> None:
        """Whoever minds the hook on termination has done what there is to do."""
        self.auto.reaches(instance, "Terminating:Wait")
        self.auto.client.complete_lifecycle_action(
            AutoScalingGroupName=self.auto.name,
            LifecycleHookName="terminating",
            InstanceId=instance,
            LifecycleActionResult="CONTINUE",
        )
        self.auto.gone(instance)

    def swap(self, footing: GroupFooting, old: str, slot: str) -> str:
        """One slot with surge: the successor first, then the old one goes."""
        made = self.launch(footing, slot)
        self.attach(footing, made)
        self.terminate(footing, old)
        return made

    def roll(self, footing: GroupFooting) -> list[str]:
        """All slots, then the orderly end."""
        made = [self.swap(footing, one, f"slot-{n}") for n, one in enumerate(self.members)]
        footing.conclude(Ending.REACHED)
        return made

    def _outcome(self, move: dict[str, str], **more: str) -> None:
        self.journal.append("outcome", move["move"], {"move": move, "outcome": "done", **more})

    def settings(self) -> dict[str, Any]:
        """The group field by field with its hooks and policies, without its members and what it launches."""
        left_out = ("Instances", "LaunchTemplate", "MixedInstancesPolicy", "LaunchConfigurationName")
        client, name = self.auto.client, self.auto.name
        return {
            **{key: value for key, value in self.auto.described().items() if key not in left_out},
            "hooks": client.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"],
            "policies": client.describe_policies(AutoScalingGroupName=name)["ScalingPolicies"],
        }

    def source(self) -> tuple[Any, tuple[int, list[int]]]:
        """What the group launches by, the template's default version, and all versions."""
        shown = self.auto.described()["LaunchTemplate"]
        return shown, self.versions(shown["LaunchTemplateId"])

    def suspended(self) -> set[str]:
        """The suspended processes."""
        return {one["ProcessName"] for one in self.auto.described()["SuspendedProcesses"]}

    def versions(self, template: str) -> tuple[int, list[int]]:
        """The template's default version, and all that there are."""
        ec2 = self.auto.ec2
        found = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
        default = next(one["VersionNumber"] for one in found if one["DefaultVersion"])
        return default, sorted(one["VersionNumber"] for one in found)

    def launches(self) -> str:
        """The image that the group would launch now."""
        facts = self.group.describe()
        return GroupSources(self.group.session).image(facts.source)

    def launched_kind(self) -> str:
        """The instance type that the group would launch now."""
        facts = self.group.describe()
        return GroupSources(self.group.session).kind(facts.source)


def fitted_out(auto: Auto) -> Grouped:
    """A group that has something of everything that a rollout has to leave alone."""
    auto.group(desired=2, least=2, most=2, TargetGroupARNs=[POOL], NewInstancesProtectedFromScaleIn=True)
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["AZRebalance"])
    for moment in ("LAUNCHING", "TERMINATING"):
        auto.client.put_lifecycle_hook(
            AutoScalingGroupName=auto.name,
            LifecycleHookName=moment.lower(),
            LifecycleTransition=f"autoscaling:EC2_INSTANCE_{moment}",
            HeartbeatTimeout=30,
            DefaultResult="CONTINUE",
        )
    auto.client.put_scaling_policy(
        AutoScalingGroupName=auto.name, PolicyName="more", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    return Grouped(auto)


def protected(auto: Auto) -> dict[str, bool]:
    """Which members are protected from being scaled in."""
    return {one["InstanceId"]: one["ProtectedFromScaleIn"] for one in auto.described()["Instances"]}
