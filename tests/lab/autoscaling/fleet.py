"""What tests of the lab's Auto Scaling use: balancers that only keep a record, and a group to try things on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deployer.lab.autoscaling import Groups
from deployer.lab.autoscaling.errors import invalid
from deployer.lab.autoscaling.pools import Pool
from tests.lab.ec2.cloud import Lab, RecordingRoom, refusal, until

__all__ = ["Auto", "FakePools", "ShiftedClock", "refusal", "until"]

POOL = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/0123456789abcdef"


@dataclass
class FakePools:
    """One target group and one classic balancer; draining lasts until the test says otherwise."""

    known: set[str] = field(default_factory=lambda: {POOL, "shop-classic"})
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    drains_at_once: bool = True

    def require(self, pool: Pool) -> None:
        if pool.name not in self.known:
            raise invalid(f"no balancer {pool.name}")

    def register(self, pool: Pool, instance_id: str) -> None:
        self.states[pool.name, instance_id] = "healthy"

    def deregister(self, pool: Pool, instance_id: str) -> None:
        if (pool.name, instance_id) in self.states:
            self.states[pool.name, instance_id] = "absent" if self.drains_at_once else "draining"

    def state(self, pool: Pool, instance_id: str) -> str:
        return self.states.get((pool.name, instance_id), "absent")


@dataclass
class ShiftedClock:
    """Monotonic time that a test can push forward."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Auto:
    """A lab with Auto Scaling, and clients for it."""

    client: Any
    ec2: Any
    lab: Lab
    pools: FakePools
    clock: ShiftedClock
    groups: Groups
    name: str = "shop-web"

    @property
    def room(self) -> RecordingRoom:
        return self.lab.room

    def template(self, name: str = "web") -> str:
        """A launch template with one version, by its id."""
        data = {"ImageId": self.lab.image, "InstanceType": "t3.micro"}
        made = self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def version(self, template: str, **data: Any) -> str:
        """A further version of a template, by its number."""
        made = self.ec2.create_launch_template_version(
            LaunchTemplateId=template,
            SourceVersion="$Latest",
            LaunchTemplateData=data or {"InstanceType": "t3.small"},
        )
        return str(made["LaunchTemplateVersion"]["VersionNumber"])

    def group(self, desired: int = 2, least: int = 0, most: int = 6, **params: Any) -> list[str]:
        """A group whose members are all in service; their ids."""
        named = {"LaunchTemplate", "LaunchConfigurationName", "MixedInstancesPolicy"} & set(params)
        source = {} if named else {"LaunchTemplate": {"LaunchTemplateId": self.template(), "Version": "1"}}
        asked = {
            "AutoScalingGroupName": self.name,
            "MinSize": least,
            "MaxSize": most,
            "DesiredCapacity": desired,
            "AvailabilityZones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
            **source,
            **params,
        }
        self.client.create_auto_scaling_group(**asked)
        return self.settled(desired)

    def described(self) -> dict[str, Any]:
        """The group as DescribeAutoScalingGroups shows it."""
        found: dict[str, Any] = self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        group: dict[str, Any] = found["AutoScalingGroups"][0]
        return group

    def states(self) -> dict[str, str]:
        """Instance id → lifecycle state."""
        return {one["InstanceId"]: one["LifecycleState"] for one in self.described()["Instances"]}

    def settled(self, count: int) -> list[str]:
        """Waits until exactly `count` members are listed and InService; their ids."""
        until(lambda: list(self.states().values()) == ["InService"] * count, f"{count} InService")
        return list(self.states())

    def reaches(self, instance: str, state: str) -> None:
        """Waits until a member is in the state."""
        until(lambda: self.states().get(instance) == state, f"{instance} {state}")

    def gone(self, instance: str) -> None:
        """Waits until an instance is no member any more."""
        until(lambda: instance not in self.states(), f"{instance} gone")

    def stays(self, holds: Callable[[], bool], looks: int = 6) -> bool:
        """Whether something still holds after as many looks of the service."""
        for _ in range(looks):
            self.groups.look()
        return holds()

    def activities(self) -> list[dict[str, Any]]:
        """The group's scaling activities, the latest first."""
        found: list[dict[str, Any]] = self.client.describe_scaling_activities(AutoScalingGroupName=self.name)[
            "Activities"
        ]
        return found

    def zones(self) -> dict[str, int]:
        """How many members stand in each zone."""
        counts: dict[str, int] = {}
        for one in self.described()["Instances"]:
            counts[one["AvailabilityZone"]] = counts.get(one["AvailabilityZone"], 0) + 1
        return counts

    def instance(self, ident: str) -> dict[str, Any]:
        """An instance as DescribeInstances shows it."""
        found: dict[str, Any] = self.ec2.describe_instances(InstanceIds=[ident])["Reservations"][0]["Instances"][0]
        return found

    def tags(self, ident: str) -> dict[str, str]:
        """An instance's tags."""
        return {tag["Key"]: tag["Value"] for tag in self.instance(ident).get("Tags", [])}

    def run(self, zone: str = "eu-west-1a") -> str:
        """An instance of nobody's that runs."""
        made = self.ec2.run_instances(
            ImageId=self.lab.image,
            InstanceType="t3.micro",
            MinCount=1,
            MaxCount=1,
            Placement={"AvailabilityZone": zone},
        )["Instances"][0]["InstanceId"]
        until(lambda: self.instance(made)["State"]["Name"] == "running", f"{made} running")
        return str(made)
