"""The lab's first fleet as an Auto Scaling group: a launch template, and a group that owns the instances."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

INSTANCE_TYPE: Final = "t3.micro"
_GRACE = 30
_LAUNCHED_WITHIN = 60.0
_LOOK_AGAIN = 0.1


@dataclass(frozen=True)
class GroupSeed:
    """Makes the group. It is attached to its balancer only when its members answer."""

    ec2: EC2Client
    autoscaling: AutoScalingClient
    name: str

    def launch(self, image: str, key: str, size: int, subnets: dict[str, str], tags: dict[str, str]) -> list[str]:
        """A template whose version 1 holds `image`, and a group of `size` by that number; its members' ids."""
        template = self.ec2.create_launch_template(
            LaunchTemplateName=self.name,
            LaunchTemplateData={"ImageId": image, "InstanceType": INSTANCE_TYPE, "KeyName": key},
        )["LaunchTemplate"]
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=self.name,
            LaunchTemplate={"LaunchTemplateId": template["LaunchTemplateId"], "Version": "1"},
            MinSize=size,
            MaxSize=2 * size,
            DesiredCapacity=size,
            VPCZoneIdentifier=",".join(subnets.values()),
            HealthCheckType="EC2",
            HealthCheckGracePeriod=_GRACE,
            Tags=[{"Key": key, "Value": value, "PropagateAtLaunch": True} for key, value in tags.items()],
        )
        return self._members(size)

    def _members(self, size: int) -> list[str]:
        end = time.monotonic() + _LAUNCHED_WITHIN
        ids: list[str] = []
        while len(ids) < size and time.monotonic() < end:
            time.sleep(_LOOK_AGAIN)
            found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
            ids = [one["InstanceId"] for one in found["AutoScalingGroups"][0]["Instances"]]
        return ids

    def join(self, target_group: str | None, classic: str | None, wait: Callable[[], None]) -> None:
        """Attaches the group to its balancer, waits, and has the balancer's health count from then on."""
        if target_group is not None:
            self.autoscaling.attach_load_balancer_target_groups(
                AutoScalingGroupName=self.name, TargetGroupARNs=[target_group]
            )
        if classic is not None:
            self.autoscaling.attach_load_balancers(AutoScalingGroupName=self.name, LoadBalancerNames=[classic])
        wait()
        self.autoscaling.update_auto_scaling_group(AutoScalingGroupName=self.name, HealthCheckType="ELB")
