"""Members: attach, detach, standby, termination, protection, health."""

from __future__ import annotations

import pytest

from tests.lab.autoscaling.fleet import POOL, Auto, refusal, until


def test_attaching_grows_the_desired_capacity_and_registers(auto: Auto) -> None:
    auto.group(desired=1, TargetGroupARNs=[POOL])
    other = auto.run("eu-west-1b")
    auto.client.attach_instances(AutoScalingGroupName=auto.name, InstanceIds=[other])
    assert other in auto.settled(2)
    assert auto.described()["DesiredCapacity"] == 2
    assert auto.pools.states[POOL, other] == "healthy"
    assert auto.tags(other)["aws:autoscaling:groupName"] == auto.name


def test_attaching_beyond_the_maximum_is_refused(auto: Auto) -> None:
    auto.group(desired=1, most=1)
    other = auto.run()
    attach = auto.client.attach_instances
    assert refusal(lambda: attach(AutoScalingGroupName=auto.name, InstanceIds=[other])) == "ValidationError"
    assert auto.described()["DesiredCapacity"] == 1


def test_attaching_what_does_not_run_or_belongs_to_a_group_is_refused(auto: Auto) -> None:
    (member,) = auto.group(desired=1)
    stopped = auto.run()
    auto.ec2.stop_instances(InstanceIds=[stopped])
    attach = auto.client.attach_instances
    for one in (member, stopped, "i-0123456789abcdef0"):
        code = refusal(lambda one=one: attach(AutoScalingGroupName=auto.name, InstanceIds=[one]))
        assert code == "ValidationError"


@pytest.mark.parametrize("action", ["attach_instances", "detach_instances", "enter_standby", "exit_standby"])
def test_at_most_twenty_are_moved_in_a_call(auto: Auto, action: str) -> None:
    auto.group(desired=0)
    ids = [f"i-{number:017x}" for number in range(21)]
    more = {"ShouldDecrementDesiredCapacity": True} if action in ("detach_instances", "enter_standby") else {}
    call = getattr(auto.client, action)
    assert refusal(lambda: call(AutoScalingGroupName=auto.name, InstanceIds=ids, **more)) == "ValidationError"


def test_at_most_fifty_are_protected_in_a_call(auto: Auto) -> None:
    auto.group(desired=0)
    ids = [f"i-{number:017x}" for number in range(51)]
    call = auto.client.set_instance_protection
    code = refusal(lambda: call(AutoScalingGroupName=auto.name, InstanceIds=ids, ProtectedFromScaleIn=True))
    assert code == "ValidationError"


def test_a_detached_instance_drains_and_runs_on(auto: Auto) -> None:
    first, second = auto.group(desired=2, TargetGroupARNs=[POOL])
    auto.client.detach_instances(
        AutoScalingGroupName=auto.name, InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    auto.gone(first)
    assert auto.settled(1) == [second]
    assert auto.pools.states[POOL, first] == "absent"
    assert auto.instance(first)["State"]["Name"] == "running"
    assert "aws:autoscaling:groupName" not in auto.tags(first)


def test_detaching_without_decrement_launches_another(auto: Auto) -> None:
    (first,) = auto.group(desired=1)
    auto.client.detach_instances(
        AutoScalingGroupName=auto.name, InstanceIds=[first], ShouldDecrementDesiredCapacity=False
    )
    auto.gone(first)
    assert auto.settled(1) != [first]


def test_standby_drains_and_coming_back_registers(auto: Auto) -> None:
    first, _ = auto.group(desired=2, TargetGroupARNs=[POOL])
    auto.pools.drains_at_once = False
    auto.client.enter_standby(
        AutoScalingGroupName=auto.name, InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    auto.reaches(first, "EnteringStandby")
    assert auto.stays(lambda: auto.states()[first] == "EnteringStandby")
    auto.pools.states[POOL, first] = "absent"
    auto.reaches(first, "Standby")
    assert auto.described()["DesiredCapacity"] == 1
    auto.client.exit_standby(AutoScalingGroupName=auto.name, InstanceIds=[first])
    auto.settled(2)
    assert auto.pools.states[POOL, first] == "healthy"
    assert auto.described()["DesiredCapacity"] == 2


def test_standby_with_decrement_cannot_pass_the_minimum(auto: Auto) -> None:
    (first,) = auto.group(desired=1, least=1)
    enter = auto.client.enter_standby
    asked = {"AutoScalingGroupName": auto.name, "InstanceIds": [first]}
    assert refusal(lambda: enter(**asked, ShouldDecrementDesiredCapacity=True)) == "ValidationError"
    assert auto.states() == {first: "InService"}


def test_standby_without_decrement_launches_another_and_coming_back_makes_one_more(auto: Auto) -> None:
    (first,) = auto.group(desired=1)
    auto.client.enter_standby(
        AutoScalingGroupName=auto.name, InstanceIds=[first], ShouldDecrementDesiredCapacity=False
    )
    until(lambda: sorted(auto.states().values()) == ["InService", "Standby"], "another beside the one in Standby")
    auto.client.exit_standby(AutoScalingGroupName=auto.name, InstanceIds=[first])
    auto.settled(2)


def test_leaving_standby_is_impossible_while_launch_is_suspended(auto: Auto) -> None:
    (first,) = auto.group(desired=1)
    auto.client.enter_standby(
        AutoScalingGroupName=auto.name, InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    auto.reaches(first, "Standby")
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["Launch"])
    leave = auto.client.exit_standby
    assert refusal(lambda: leave(AutoScalingGroupName=auto.name, InstanceIds=[first])) == "ValidationError"


def test_health_is_not_checked_in_standby(auto: Auto) -> None:
    (first,) = auto.group(desired=1, HealthCheckType="ELB", TargetGroupARNs=[POOL])
    auto.client.enter_standby(
        AutoScalingGroupName=auto.name, InstanceIds=[first], ShouldDecrementDesiredCapacity=True
    )
    auto.reaches(first, "Standby")
    assert auto.stays(lambda: auto.states() == {first: "Standby"})


def test_terminating_with_decrement_leaves_no_gap_to_fill(auto: Auto) -> None:
    first, second = auto.group(desired=2)
    answer = auto.client.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=True
    )
    assert first in answer["Activity"]["Description"]
    auto.gone(first)
    assert auto.stays(lambda: auto.states() == {second: "InService"})


def test_terminating_with_decrement_cannot_pass_the_minimum(auto: Auto) -> None:
    (first,) = auto.group(desired=1, least=1)
    end = auto.client.terminate_instance_in_auto_scaling_group
    assert refusal(lambda: end(InstanceId=first, ShouldDecrementDesiredCapacity=True)) == "ValidationError"


def test_terminating_without_decrement_launches_another(auto: Auto) -> None:
    (first,) = auto.group(desired=1)
    auto.client.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=False)
    auto.gone(first)
    assert auto.settled(1) != [first]


def test_termination_protection_of_ec2_does_not_hold_against_the_group(auto: Auto) -> None:
    (first,) = auto.group(desired=1)
    auto.ec2.modify_instance_attribute(InstanceId=first, DisableApiTermination={"Value": True})
    auto.client.set_desired_capacity(AutoScalingGroupName=auto.name, DesiredCapacity=0)
    auto.gone(first)
    assert auto.instance(first)["State"]["Name"] == "terminated"


def test_an_instance_of_no_group_is_not_terminated(auto: Auto) -> None:
    auto.group(desired=0)
    other = auto.run()
    end = auto.client.terminate_instance_in_auto_scaling_group
    assert refusal(lambda: end(InstanceId=other, ShouldDecrementDesiredCapacity=True)) == "ValidationError"


def test_one_that_dies_is_replaced(auto: Auto) -> None:
    (first,) = auto.group(desired=1)
    auto.ec2.terminate_instances(InstanceIds=[first])
    auto.gone(first)
    assert auto.settled(1) != [first]


def test_one_that_its_balancer_calls_unhealthy_is_replaced_where_elb_health_counts(auto: Auto) -> None:
    (first,) = auto.group(desired=1, HealthCheckType="ELB", TargetGroupARNs=[POOL])
    auto.pools.states[POOL, first] = "unhealthy"
    auto.gone(first)
    assert auto.settled(1) != [first]


def test_one_that_its_balancer_calls_unhealthy_stays_where_only_ec2_health_counts(auto: Auto) -> None:
    (first,) = auto.group(desired=1, TargetGroupARNs=[POOL])
    auto.pools.states[POOL, first] = "unhealthy"
    assert auto.stays(lambda: auto.states() == {first: "InService"})


def test_the_grace_period_holds_the_balancers_word_off(auto: Auto) -> None:
    (first,) = auto.group(desired=1, HealthCheckType="ELB", HealthCheckGracePeriod=300, TargetGroupARNs=[POOL])
    auto.pools.states[POOL, first] = "unhealthy"
    assert auto.stays(lambda: auto.states() == {first: "InService"})
    auto.clock.ahead += 301
    auto.gone(first)


def test_what_is_set_unhealthy_is_replaced_and_healthy_again_is_not(auto: Auto) -> None:
    first, second = auto.group(desired=2)
    auto.client.suspend_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["ReplaceUnhealthy"])
    for one in (first, second):
        auto.client.set_instance_health(InstanceId=one, HealthStatus="Unhealthy")
    auto.client.set_instance_health(InstanceId=second, HealthStatus="Healthy")
    assert auto.stays(lambda: len(auto.states()) == 2)
    auto.client.resume_processes(AutoScalingGroupName=auto.name, ScalingProcesses=["ReplaceUnhealthy"])
    auto.gone(first)
    assert second in auto.settled(2)
