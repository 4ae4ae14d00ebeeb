"""Fleets in an Auto Scaling group, in a lab under load: what others do to the group meanwhile, and how it ends."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.lab import ROLLOUT, TestLab, lab, load
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

NAME = "shop-web"
HOOK = {
    "AutoScalingGroupName": NAME,
    "LifecycleHookName": "farewell",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 30,
    "DefaultResult": "CONTINUE",
}


@pytest.fixture
def group(tmp_path: Path) -> Iterator[TestLab]:
    """Four instances of release 1 in a group behind an ALB."""
    with lab(tmp_path, "--group", "--instances", "4", "--boot", "3", "--deregistration-delay", "10") as made:
        yield made


def described(made: TestLab) -> dict[str, Any]:
    found = made.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    shown: dict[str, Any] = found[0]
    return shown


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.5)


def members(made: TestLab, kind: str = "InstanceId") -> list[str]:
    """What the group shows of its members that are in service."""
    return [one[kind] for one in described(made)["Instances"] if one["LifecycleState"] == "InService"]


def types(made: TestLab) -> Counter[str]:
    """The instance types of the members that are in service."""
    pages = made.client("ec2").describe_instances(InstanceIds=members(made))
    return Counter(one["InstanceType"] for r in pages["Reservations"] for one in r["Instances"])


def settings(made: TestLab) -> dict[str, Any]:
    """Everything of the group that a rollout has to leave as it was: without its members and what it launches."""
    group = described(made)
    scaling, name = made.client("autoscaling"), group["AutoScalingGroupName"]
    left_out = ("Instances", "LaunchTemplate", "DesiredCapacity")
    return {
        **{key: value for key, value in group.items() if key not in left_out},
        "hooks": scaling.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"],
        "policies": scaling.describe_policies(AutoScalingGroupName=name)["ScalingPolicies"],
    }


def launches(made: TestLab) -> tuple[bool, str, str]:
    """Whether the group launches the template's default version, and of that version the image and the type."""
    template = described(made)["LaunchTemplate"]
    [used] = made.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]]
    )["LaunchTemplateVersions"]
    data = used["LaunchTemplateData"]
    return used["DefaultVersion"], data["ImageId"], data["InstanceType"]


def test_a_kill_a_scale_out_by_two_and_a_scale_in_by_one_lose_nothing_and_leave_nothing_old(
    group: TestLab,
) -> None:
    scaling = group.client("autoscaling")
    name = described(group)["AutoScalingGroupName"]
    scaling.put_lifecycle_hook(**{**HOOK, "AutoScalingGroupName": name})
    scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=["AZRebalance"])
    scaling.set_instance_protection(
        AutoScalingGroupName=name, InstanceIds=members(group)[:1], ProtectedFromScaleIn=True
    )
    before, old = settings(group), set(members(group))
    with load(group) as requests:
        killed = group.start("rollout", "--batch", "25%", "--output", "json")
        until(lambda: not old >= set(members(group)), "the first successor in service")
        scaling.set_desired_capacity(
            AutoScalingGroupName=name, DesiredCapacity=described(group)["DesiredCapacity"] + 2
        )
        killed.kill()
        killed.communicate()
        resumed = group.start("resume", "--output", "json")
        until(lambda: len(old & set(members(group))) <= 2, "half of them replaced")
        scaling.set_desired_capacity(
            AutoScalingGroupName=name, DesiredCapacity=described(group)["DesiredCapacity"] - 1
        )
        ended = group.finish(resumed)
        assert ended.code == 0, ended.err
        until(lambda: len(members(group)) == 5, "five members")
    assert requests["failed"] == 0
    assert group.releases() == ["2"] * 5
    assert not old & set(members(group))
    assert settings(group) == before
    assert described(group)["DesiredCapacity"] == 5
    assert [one["ProtectedFromScaleIn"] for one in described(group)["Instances"]].count(True) == 1
    assert launches(group) == (True, ended.document["image"]["to"], "t3.micro")
    assert group.run("doctor", "--leftovers").code == 0


def test_another_instance_type_comes_and_goes_again_by_a_rollback_with_the_group_scaled_out_meanwhile(
    group: TestLab,
) -> None:
    before, source = settings(group), launches(group)
    change = ("--release", "1", "--instance-type", "t3.small")
    with load(group) as requests:
        planned = group.run("plan", "--detailed-exitcode", "--output", "json", *change)
        assert (planned.code, planned.document["instance_type"]["to"]) == (20, "t3.small"), planned.err
        refused = group.run("plan", "--method", "in-place", *change)
        assert refused.code == 5
        assert "--method relaunch" in refused.err
        done = group.run(*ROLLOUT, "--pre-scale", "1", *change)
        assert done.code == 0, done.err
        until(lambda: types(group) == {"t3.small": 4}, "four of the new type")
        assert launches(group) == (True, done.document["image"]["to"], "t3.small")
        again = group.run(*ROLLOUT, *change)
        assert again.document["status"] == "nothing_to_do"
        assert settings(group) == before
        back = group.run("rollback", "--output", "json")
        assert back.code == 0, back.err
        until(lambda: types(group) == {"t3.micro": 4}, "four of the old type")
    assert requests["failed"] == 0
    assert requests["by_release"].keys() == {"1"}
    assert settings(group) == before
    assert described(group)["DesiredCapacity"] == 4
    assert launches(group) == source
