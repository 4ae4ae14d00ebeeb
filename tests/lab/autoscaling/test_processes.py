"""Suspended processes, lifecycle hooks, scheduled actions, instance refresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.lab.autoscaling.fleet import POOL, Auto, refusal, until

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"


def suspend(auto: Auto, *names: str) -> None:
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=list(names))


def resume(auto: Auto, *names: str) -> None:
    auto.client.resume_processes(AutoScalingGroupName=auto.name, ScalingProcesses=list(names))


def size(auto: Auto, desired: int) -> None:
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=desired)


def hook(auto: Auto, transition: str, **settings: Any) -> None:
    auto.client.put_lifecycle_hook(
        AutoScalingGroupName=auto.name, LifecycleHookName="ready", LifecycleTransition=transition, **settings
    )


def complete(auto: Auto, instance: str, result: str) -> None:
    auto.client.complete_lifecycle_action(
        AutoScalingGroupName=auto.name,
        LifecycleHookName="ready",
        InstanceId=instance,
        LifecycleActionResult=result,
    )


def newcomer(auto: Auto, state: str) -> str:
    """The one member that is in the state, once there is one."""
    until(lambda: state in auto.states().values(), f"one in {state}")
    return next(ident for ident, found in auto.states().items() if found == state)


def test_suspended_processes_are_shown_and_resumed_by_name(auto: Auto) -> None:
    auto.group(desired=0)
    suspend(auto, "AZRebalance", "ReplaceUnhealthy")
    resume(auto, "AZRebalance")
    shown = auto.described()["SuspendedProcesses"]
    assert [one["ProcessName"] for one in shown] == ["ReplaceUnhealthy"]
    assert shown[0]["SuspensionReason"].startswith("User suspended at ")


def test_an_unknown_process_is_refused(auto: Auto) -> None:
    auto.group(desired=0)
    assert refusal(lambda: suspend(auto, "Rebalance")) == "ValidationError"


def test_without_launch_nothing_is_launched(auto: Auto) -> None:
    auto.group(desired=1)
    suspend(auto, "Launch")
    size(auto, 2)
    assert auto.stays(lambda: len(auto.states()) == 1)
    resume(auto, "Launch")
    auto.settled(2)


def test_without_terminate_nothing_is_terminated(auto: Auto) -> None:
    auto.group(desired=2)
    suspend(auto, "Terminate")
    size(auto, 1)
    assert auto.stays(lambda: list(auto.states().values()) == ["InService"] * 2)
    resume(auto, "Terminate")
    auto.settled(1)


def test_without_health_check_a_dead_member_stays_listed_as_healthy(auto: Auto) -> None:
    (only,) = auto.group(desired=1)
    suspend(auto, "HealthCheck")
    auto.ec2.terminate_instances(InstanceIds=[only])
    until(lambda: auto.instance(only)["State"]["Name"] == "terminated", "it dead")
    assert auto.stays(lambda: auto.described()["Instances"][0]["HealthStatus"] == "Healthy")


def test_without_replace_unhealthy_a_dead_member_is_marked_and_kept(auto: Auto) -> None:
    (only,) = auto.group(desired=1)
    suspend(auto, "ReplaceUnhealthy")
    auto.ec2.terminate_instances(InstanceIds=[only])
    until(lambda: auto.described()["Instances"][0]["HealthStatus"] == "Unhealthy", "it marked")
    assert auto.stays(lambda: auto.states() == {only: "InService"})


def test_without_add_to_load_balancer_members_are_in_service_unregistered(auto: Auto) -> None:
    auto.group(desired=0, TargetGroupARNs=[POOL])
    suspend(auto, "AddToLoadBalancer")
    size(auto, 1)
    (only,) = auto.settled(1)
    assert (POOL, only) not in auto.pools.states


def test_an_unbalanced_group_is_balanced_unless_az_rebalance_is_suspended(auto: Auto) -> None:
    auto.group(desired=3, AvailabilityZones=["eu-west-1a"])
    suspend(auto, "AZRebalance")
    auto.client.update_auto_scaling_group(
        AutoScalingGroupName=auto.name, AvailabilityZones=["eu-west-1a", "eu-west-1b"]
    )
    assert auto.stays(lambda: auto.zones() == {"eu-west-1a": 3})
    resume(auto, "AZRebalance")
    until(lambda: auto.zones() == {"eu-west-1a": 2, "eu-west-1b": 1}, "balanced zones")


def test_a_launch_waits_for_its_hook(auto: Auto) -> None:
    auto.group(desired=0, TargetGroupARNs=[POOL])
    hook(auto, LAUNCHING)
    size(auto, 1)
    only = newcomer(auto, "Pending:Wait")
    assert auto.stays(lambda: auto.states() == {only: "Pending:Wait"})
    assert (POOL, only) not in auto.pools.states
    complete(auto, only, "CONTINUE")
    assert auto.settled(1) == [only]


def test_an_abandoned_launch_is_terminated_and_tried_again(auto: Auto) -> None:
    auto.group(desired=0)
    hook(auto, LAUNCHING)
    size(auto, 1)
    first = newcomer(auto, "Pending:Wait")
    complete(auto, first, "ABANDON")
    auto.gone(first)
    assert newcomer(auto, "Pending:Wait") != first


@pytest.mark.parametrize(("default", "outcome"), [("CONTINUE", True), (None, False)])
def test_a_hook_whose_time_is_over_has_its_default_result(auto: Auto, default: str | None, outcome: bool) -> None:
    auto.group(desired=0)
    hook(auto, LAUNCHING, HeartbeatTimeout=30, **({"DefaultResult": default} if default else {}))
    size(auto, 1)
    first = newcomer(auto, "Pending:Wait")
    auto.clock.ahead += 31
    if outcome:
        assert auto.settled(1) == [first]
    else:
        auto.gone(first)


def test_a_heartbeat_prolongs_the_wait(auto: Auto) -> None:
    auto.group(desired=0)
    hook(auto, LAUNCHING, HeartbeatTimeout=100)
    size(auto, 1)
    only = newcomer(auto, "Pending:Wait")
    auto.clock.ahead += 80
    auto.client.record_lifecycle_action_heartbeat(
        AutoScalingGroupName=auto.name, LifecycleHookName="ready", InstanceId=only
    )
    auto.clock.ahead += 80
    assert auto.stays(lambda: auto.states() == {only: "Pending:Wait"})


def test_a_termination_waits_for_its_hook_and_the_instance_runs_on_meanwhile(auto: Auto) -> None:
    (only,) = auto.group(desired=1)
    hook(auto, TERMINATING)
    size(auto, 0)
    auto.reaches(only, "Terminating:Wait")
    assert auto.stays(lambda: auto.instance(only)["State"]["Name"] == "running")
    complete(auto, only, "ABANDON")
    auto.gone(only)


def test_attached_instances_do_not_run_launch_hooks(auto: Auto) -> None:
    auto.group(desired=0)
    hook(auto, LAUNCHING)
    other = auto.run()
    auto.client.attach_instances(AutoScalingGroupName=auto.name, InstanceIds=[other])
    assert auto.settled(1) == [other]


@pytest.mark.parametrize("seconds", [29, 7201])
def test_a_heartbeat_timeout_outside_30_to_7200_seconds_is_refused(auto: Auto, seconds: int) -> None:
    auto.group(desired=0)
    assert refusal(lambda: hook(auto, LAUNCHING, HeartbeatTimeout=seconds)) == "ValidationError"


def test_a_hook_is_shown_with_its_defaults(auto: Auto) -> None:
    auto.group(desired=0)
    hook(auto, TERMINATING)
    (shown,) = auto.client.describe_lifecycle_hooks(AutoScalingGroupName=auto.name)["LifecycleHooks"]
    assert (shown["HeartbeatTimeout"], shown["DefaultResult"]) == (3600, "ABANDON")


def test_a_scheduled_action_is_carried_out_unless_suspended(auto: Auto) -> None:
    auto.group(desired=1)

    def schedule(name: str, desired: int) -> None:
        auto.client.put_scheduled_update_group_action(
            AutoScalingGroupName=auto.name,
            ScheduledActionName=name,
            StartTime=datetime.now(UTC) - timedelta(seconds=1),
            DesiredCapacity=desired,
        )

    suspend(auto, "ScheduledActions")
    schedule("missed", 3)
    assert auto.stays(lambda: auto.described()["DesiredCapacity"] == 1)
    resume(auto, "ScheduledActions")
    schedule("night", 2)
    auto.settled(2)


def refresh(auto: Auto, **params: Any) -> dict[str, Any]:
    auto.client.start_instance_refresh(AutoScalingGroupName=auto.name, **params)
    return refreshed(auto)


def refreshed(auto: Auto) -> dict[str, Any]:
    found: dict[str, Any] = auto.client.describe_instance_refreshes(AutoScalingGroupName=auto.name)[
        "InstanceRefreshes"
    ][0]
    return found


def test_an_instance_refresh_replaces_every_member_and_keeps_the_healthy_minimum(auto: Auto) -> None:
    old = auto.group(desired=4)
    refresh(auto, Preferences={"MinHealthyPercentage": 50})
    lowest = 4
    while refreshed(auto)["Status"] != "Successful":
        lowest = min(lowest, list(auto.states().values()).count("InService"))
    assert lowest >= 2
    assert not set(old) & set(auto.settled(4))


def test_an_instance_refresh_skips_what_matches(auto: Auto) -> None:
    old = auto.group(desired=2)
    refresh(auto, Preferences={"SkipMatching": True})
    until(lambda: refreshed(auto)["Status"] == "Successful", "a successful refresh")
    assert auto.settled(2) == old


def test_a_desired_configuration_becomes_the_groups(auto: Auto) -> None:
    template = auto.template()
    auto.group(desired=1, LaunchTemplate={"LaunchTemplateId": template, "Version": "1"})
    wanted = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": auto.version(template)}}
    refresh(auto, DesiredConfiguration=wanted, Preferences={"MinHealthyPercentage": 0})
    until(lambda: refreshed(auto)["Status"] == "Successful", "a successful refresh")
    assert auto.described()["LaunchTemplate"]["Version"] == "2"
    assert auto.described()["Instances"][0]["LaunchTemplate"]["Version"] == "2"


def test_a_second_refresh_is_refused_and_a_cancelled_one_ends(auto: Auto) -> None:
    auto.group(desired=1)
    suspend(auto, "InstanceRefresh")
    refresh(auto)
    start = auto.client.start_instance_refresh
    assert refusal(lambda: start(AutoScalingGroupName=auto.name)) == "InstanceRefreshInProgress"
    auto.client.cancel_instance_refresh(AutoScalingGroupName=auto.name)
    resume(auto, "InstanceRefresh")
    until(lambda: refreshed(auto)["Status"] == "Cancelled", "a cancelled refresh")
    cancel = auto.client.cancel_instance_refresh
    assert refusal(lambda: cancel(AutoScalingGroupName=auto.name)) == "ActiveInstanceRefreshNotFound"


def test_a_rolled_back_refresh_goes_back_to_the_template_before(auto: Auto) -> None:
    template = auto.template()
    auto.group(desired=2, LaunchTemplate={"LaunchTemplateId": template, "Version": "1"})
    wanted = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": auto.version(template)}}
    auto.client.start_instance_refresh(
        AutoScalingGroupName=auto.name,
        DesiredConfiguration=wanted,
        Preferences={"InstanceWarmup": 600, "MinHealthyPercentage": 50},
    )
    until(lambda: len(auto.states()) == 2 and refreshed(auto)["Status"] == "InProgress", "a refresh")
    auto.client.rollback_instance_refresh(AutoScalingGroupName=auto.name)
    auto.clock.ahead += 601
    until(lambda: refreshed(auto)["Status"] == "RollbackSuccessful", "a rolled back refresh")
    assert auto.described()["LaunchTemplate"]["Version"] == "1"
    assert {one["LaunchTemplate"]["Version"] for one in auto.described()["Instances"]} == {"1"}
