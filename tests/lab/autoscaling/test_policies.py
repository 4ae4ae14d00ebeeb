"""Scaling policies: what alarms make of a group's desired capacity."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.lab.autoscaling.policies import Signal
from tests.lab.autoscaling.fleet import Auto, refusal
from tests.lab.ec2.cloud import client_at

LABEL = "app/shop/0123456789abcdef/targetgroup/shop/0123456789abcdef"
FROM_ALARM = Signal("busy", "ALARM", 75.0, 60.0)
STEPS = [
    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
    {"MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
]


def policy(auto: Auto, name: str = "grow", **settings: Any) -> str:
    answer = auto.client.put_scaling_policy(AutoScalingGroupName=auto.name, PolicyName=name, **settings)
    return str(answer["PolicyARN"])


def steps(auto: Auto, **settings: Any) -> str:
    asked = {"PolicyType": "StepScaling", "AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS}
    return policy(auto, **{**asked, "EstimatedInstanceWarmup": 0, **settings})


def tracking(auto: Auto, **settings: Any) -> str:
    metric = {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": LABEL}
    target = {"PredefinedMetricSpecification": metric, "TargetValue": 100.0, **settings}
    kind = "TargetTrackingScaling"
    return policy(auto, PolicyType=kind, EstimatedInstanceWarmup=0, TargetTrackingConfiguration=target)


def desired(auto: Auto) -> int:
    return int(auto.described()["DesiredCapacity"])


def test_a_policy_changes_the_size_within_the_limits(auto: Auto) -> None:
    auto.group(desired=1, most=2)
    policy(auto, AdjustmentType="ChangeInCapacity", ScalingAdjustment=5)
    auto.client.execute_policy(AutoScalingGroupName=auto.name, PolicyName="grow")
    auto.settled(2)


def test_the_activity_tells_the_alarm_and_the_policy(auto: Auto) -> None:
    auto.group(desired=1)
    arn = policy(auto, AdjustmentType="ChangeInCapacity", ScalingAdjustment=1)
    auto.groups.run_policy(arn, FROM_ALARM)
    auto.settled(2)
    assert (
        "a monitor alarm busy in state ALARM triggered policy grow changing the desired capacity from 1 to 2"
        in auto.activities()[0]["Cause"]
    )


def test_alarms_are_not_heard_while_alarm_notification_is_suspended(auto: Auto) -> None:
    auto.group(desired=1)
    arn = policy(auto, AdjustmentType="ExactCapacity", ScalingAdjustment=2)
    processes = {"AutoScalingGroupName": auto.name, "ScalingProcesses": ["AlarmNotification"]}
    auto.client.suspend_processes(**processes)
    assert not auto.groups.run_policy(arn, FROM_ALARM)
    assert desired(auto) == 1
    auto.client.resume_processes(**processes)
    assert auto.groups.run_policy(arn, FROM_ALARM)
    auto.settled(2)


def test_a_policy_that_is_not_enabled_hears_no_alarm(auto: Auto) -> None:
    auto.group(desired=1)
    arn = policy(auto, AdjustmentType="ExactCapacity", ScalingAdjustment=2, Enabled=False)
    assert not auto.groups.run_policy(arn, FROM_ALARM)
    auto.client.execute_policy(AutoScalingGroupName=auto.name, PolicyName="grow")
    auto.settled(2)


def test_a_simple_policy_waits_until_its_cooldown_is_over(auto: Auto) -> None:
    auto.group(desired=1)
    arn = policy(auto, AdjustmentType="ChangeInCapacity", ScalingAdjustment=1, Cooldown=100)
    assert auto.groups.run_policy(arn, FROM_ALARM)
    auto.settled(2)
    auto.groups.look()
    auto.clock.ahead += 99
    assert not auto.groups.run_policy(arn, FROM_ALARM)
    by_hand = {"AutoScalingGroupName": auto.name, "PolicyName": "grow"}
    execute = auto.client.execute_policy
    assert refusal(lambda: execute(**by_hand, HonorCooldown=True)) == "ScalingActivityInProgress"
    auto.clock.ahead += 2
    assert auto.groups.run_policy(arn, FROM_ALARM)
    auto.settled(3)


def test_the_groups_cooldown_holds_where_a_simple_policy_has_none(auto: Auto) -> None:
    auto.group(desired=1, DefaultCooldown=50)
    arn = policy(auto, AdjustmentType="ChangeInCapacity", ScalingAdjustment=1)
    auto.groups.run_policy(arn, FROM_ALARM)
    auto.settled(2)
    auto.groups.look()
    assert not auto.groups.run_policy(arn, FROM_ALARM)
    auto.clock.ahead += 51
    assert auto.groups.run_policy(arn, FROM_ALARM)


@pytest.mark.parametrize(("value", "size"), [(60.0, 3), (69.0, 3), (70.0, 5), (99.0, 5), (60.0 - 1, 1)])
def test_a_step_is_chosen_by_how_far_the_metric_is_beyond_the_threshold(
    auto: Auto, value: float, size: int
) -> None:
    auto.group(desired=2)
    arn = steps(auto)
    auto.groups.run_policy(arn, Signal("busy", "ALARM", value, 60.0))
    assert desired(auto) == size


def test_what_still_warms_up_is_not_scaled_out_for_twice(auto: Auto) -> None:
    auto.group(desired=1)
    auto.clock.ahead += 1000
    arn = steps(auto, EstimatedInstanceWarmup=300)
    auto.groups.run_policy(arn, Signal("busy", "ALARM", 60.0, 60.0))
    auto.groups.run_policy(arn, Signal("busy", "ALARM", 60.0, 60.0))
    auto.settled(2)
    assert desired(auto) == 2
    auto.groups.run_policy(arn, Signal("busy", "ALARM", 80.0, 60.0))
    assert desired(auto) == 4, "three on top of the one that is warm"
    auto.groups.run_policy(arn, Signal("busy", "ALARM", 50.0, 60.0))
    assert desired(auto) == 4, "nothing is scaled in meanwhile"


def test_a_step_policy_by_hand_needs_value_and_threshold(auto: Auto) -> None:
    auto.group(desired=1)
    steps(auto)
    by_hand = {"AutoScalingGroupName": auto.name, "PolicyName": "grow"}
    assert refusal(lambda: auto.client.execute_policy(**by_hand)) == "ValidationError"
    auto.client.execute_policy(**by_hand, MetricValue=80.0, BreachThreshold=60.0)
    assert desired(auto) == 4


def test_percentages_are_rounded_and_have_a_least_magnitude(auto: Auto) -> None:
    auto.group(desired=2, most=9)
    arn = policy(
        auto,
        AdjustmentType="PercentChangeInCapacity",
        ScalingAdjustment=10,
        MinAdjustmentMagnitude=3,
        Cooldown=0,
    )
    auto.groups.run_policy(arn, FROM_ALARM)
    assert desired(auto) == 5


def test_a_target_makes_its_alarms_and_takes_them_along_when_it_goes(auto: Auto) -> None:
    auto.group(desired=1)
    tracking(auto)
    [shown] = auto.client.describe_policies(AutoScalingGroupName=auto.name)["ScalingPolicies"]
    names = sorted(one["AlarmName"] for one in shown["Alarms"])
    assert [name.rpartition("-Alarm")[0] for name in names] == ["TargetTracking-shop-web"] * 2
    high, low = (auto.groups.alarms.home.alarms[name] for name in names)
    assert high.watch is not None
    assert low.watch is not None
    assert (high.watch.bar.threshold, high.watch.bar.periods) == (100.0, 3)
    assert (low.watch.bar.threshold, low.watch.bar.periods) == (90.0, 15)
    assert dict(high.watch.judged.metric.dimensions) == {"TargetGroup": LABEL.partition("abcdef/")[2]}  # type: ignore[union-attr]
    tracking(auto, TargetValue=50.0)
    assert high.watch.bar.threshold == 50.0
    auto.client.delete_policy(AutoScalingGroupName=auto.name, PolicyName="grow")
    assert not auto.groups.alarms.home.alarms


@pytest.mark.parametrize(("value", "size"), [(150.0, 3), (101.0, 3), (60.0, 2), (10.0, 1)])
def test_a_target_is_tracked_in_proportion_to_the_metric(auto: Auto, value: float, size: int) -> None:
    auto.group(desired=2, least=1)
    arn = tracking(auto)
    auto.groups.run_policy(arn, Signal("TargetTracking", "ALARM", value, 100.0))
    assert desired(auto) == size


def test_a_target_may_be_kept_from_scaling_in(auto: Auto) -> None:
    auto.group(desired=2)
    arn = tracking(auto, DisableScaleIn=True)
    auto.groups.run_policy(arn, Signal("TargetTracking", "ALARM", 10.0, 90.0))
    assert desired(auto) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"ScalingAdjustment": 1},
        {"AdjustmentType": "ExactCapacity"},
        {"PolicyType": "StepScaling", "AdjustmentType": "ExactCapacity"},
        {"PolicyType": "TargetTrackingScaling"},
        {"PolicyType": "PredictiveScaling"},
    ],
)
def test_a_policy_without_what_it_needs_is_refused(auto: Auto, wrong: dict[str, Any]) -> None:
    auto.group(desired=0)
    assert refusal(lambda: policy(auto, **wrong)) == "ValidationError"


def test_an_alarm_that_rings_sets_its_policy_going_and_is_shown_with_it(auto: Auto) -> None:
    auto.group(desired=1)
    arn = policy(auto, AdjustmentType="ChangeInCapacity", ScalingAdjustment=1)
    watching = client_at(auto.client.meta.endpoint_url, "cloudwatch")
    watching.put_metric_alarm(
        AlarmName="busy",
        Namespace="Shop",
        MetricName="Requests",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=100,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[arn],
    )
    [shown] = auto.client.describe_policies(AutoScalingGroupName=auto.name)["ScalingPolicies"]
    assert [one["AlarmName"] for one in shown["Alarms"]] == ["busy"]
    watching.set_alarm_state(AlarmName="busy", StateValue="ALARM", StateReason="a drill")
    auto.groups.alarms.look()
    auto.settled(2)
    assert "a monitor alarm busy in state ALARM triggered policy grow" in auto.activities()[0]["Cause"]
