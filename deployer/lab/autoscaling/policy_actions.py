"""The actions on scaling policies, and the alarms that target-tracking policies make for themselves."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from deployer.lab.alarms.making import make_alarm
from deployer.lab.autoscaling.calls import Action, Answer, Call
from deployer.lab.autoscaling.errors import Refused, invalid
from deployer.lab.autoscaling.policies import SIMPLE, STEP, TARGET, ScalingPolicy, Signal
from deployer.lab.autoscaling.records import Group

_SETTINGS = (
    "PolicyType",
    "AdjustmentType",
    "MinAdjustmentMagnitude",
    "ScalingAdjustment",
    "Cooldown",
    "StepAdjustments",
    "MetricAggregationType",
    "EstimatedInstanceWarmup",
    "TargetTrackingConfiguration",
    "Enabled",
)
_MINUTE = 60
_HIGH_PERIODS, _LOW_PERIODS = 3, 15
_LOW_SHARE = 0.9
"""Scale-in begins well below the target, so that it does not undo a scale-out at once."""
_OF_GROUP = {
    "ASGAverageCPUUtilization": "CPUUtilization",
    "ASGAverageNetworkIn": "NetworkIn",
    "ASGAverageNetworkOut": "NetworkOut",
}


def put(call: Call) -> Answer:
    """PutScalingPolicy. The type cannot be changed later."""
    group, name, service = call.group, call.need("PolicyName"), call.service
    settings = {key: call.params[key] for key in _SETTINGS if call.params.get(key) is not None}
    settings = {"PolicyType": SIMPLE, "Enabled": True, **settings}
    _check(settings)
    had = next((one for one in service.policies.values() if (one.group, one.name) == (group.name, name)), None)
    if had is not None and had.kind != settings["PolicyType"]:
        raise invalid(f"The policy {name} is of type {had.kind}, which cannot be changed.")
    arn = (
        f"arn:aws:autoscaling:{service.region}:{service.account}:scalingPolicy:{uuid.uuid4()}:"
        f"autoScalingGroupName/{group.name}:policyName/{name}"
    )
    policy = ScalingPolicy(name, had.arn if had is not None else arn, group.name, settings)
    if policy.kind == TARGET:
        names = had.alarms if had is not None else ()
        policy = ScalingPolicy(name, policy.arn, group.name, settings, _own_alarms(call, group, policy, names))
    service.policies[policy.arn] = policy
    return {"PolicyARN": policy.arn, "Alarms": _acting(call, policy)}


def _check(settings: Mapping[str, Any]) -> None:
    kind = settings["PolicyType"]
    if kind not in (SIMPLE, STEP, TARGET):
        raise invalid(f"PolicyType is {kind}; this lab has {SIMPLE}, {STEP} and {TARGET}.")
    if kind in (SIMPLE, STEP) and "AdjustmentType" not in settings:
        raise invalid("AdjustmentType is required for simple and step scaling policies.")
    needed = {SIMPLE: "ScalingAdjustment", STEP: "StepAdjustments", TARGET: "TargetTrackingConfiguration"}[kind]
    if not settings.get(needed) and settings.get(needed) != 0:
        raise invalid(f"{needed} is required for policies of type {kind}.")


def _acting(call: Call, policy: ScalingPolicy) -> list[dict[str, str]]:
    """The alarms that set a policy going, whoever made them."""
    return [{"AlarmName": one.name, "AlarmARN": one.arn} for one in call.service.alarms.acting(policy.arn)]


def _own_alarms(call: Call, group: Group, policy: ScalingPolicy, names: tuple[str, ...]) -> tuple[str, ...]:
    """Makes the alarms above and below the target, or gives them their new settings."""
    tracking = policy.settings["TargetTrackingConfiguration"]
    metric, target = _tracked_metric(group, tracking), float(tracking["TargetValue"])
    ident = uuid.uuid4()
    high, low = names or tuple(f"TargetTracking-{group.name}-Alarm{side}-{ident}" for side in ("High", "Low"))
    common = {**metric, "Period": _MINUTE, "AlarmActions": [policy.arn]}
    asked = [
        {
            **common,
            "AlarmName": high,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": target,
            "EvaluationPeriods": _HIGH_PERIODS,
        },
        {
            **common,
            "AlarmName": low,
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": target * _LOW_SHARE,
            "EvaluationPeriods": _LOW_PERIODS,
        },
    ]
    alarms = call.service.alarms
    with alarms.lock:
        for one in asked:
            alarms.put(alarms.home, make_alarm(alarms, alarms.home, one))
    return high, low


def _tracked_metric(group: Group, tracking: Mapping[str, Any]) -> dict[str, Any]:
    """The metric of a target, as PutMetricAlarm names it."""
    custom, known = tracking.get("CustomizedMetricSpecification"), tracking.get("PredefinedMetricSpecification")
    if custom:
        if not custom.get("MetricName"):
            raise invalid("This lab tracks customized metrics by name, without metric math.")
        return {
            key: custom[key] for key in ("Namespace", "MetricName", "Dimensions", "Statistic") if custom.get(key)
        }
    kind = str((known or {}).get("PredefinedMetricType"))
    if kind in _OF_GROUP:
        dimensions = [{"Name": "AutoScalingGroupName", "Value": group.name}]
        named = {"Namespace": "AWS/EC2", "MetricName": _OF_GROUP[kind], "Dimensions": dimensions}
        return {**named, "Statistic": "Average"}
    if kind != "ALBRequestCountPerTarget":
        raise invalid(f"{kind} is not a metric that can be tracked.")
    before, found, label = str((known or {}).get("ResourceLabel") or "").partition("targetgroup/")
    if not found or not before.startswith("app/"):
        raise invalid("ResourceLabel must be app/NAME/ID/targetgroup/NAME/ID.")
    return {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": "RequestCountPerTarget",
        "Dimensions": [{"Name": "TargetGroup", "Value": found + label}],
        "Statistic": "Sum",
    }


def _policy(call: Call) -> ScalingPolicy:
    wanted, group = call.need("PolicyName"), call.text("AutoScalingGroupName")
    for policy in call.service.policies.values():
        if policy.arn == wanted or (policy.name == wanted and group in (None, policy.group)):
            return policy
    raise invalid(f"PolicyName not found: {wanted}")


def describe(call: Call) -> Answer:
    """DescribePolicies."""
    group, names, types = call.text("AutoScalingGroupName"), call.texts("PolicyNames"), call.texts("PolicyTypes")
    return {
        "ScalingPolicies": [
            {
                "AutoScalingGroupName": one.group,
                "PolicyName": one.name,
                "PolicyARN": one.arn,
                "Alarms": _acting(call, one),
                **one.settings,
            }
            for one in call.service.policies.values()
            if group in (None, one.group)
            and (not names or one.name in names or one.arn in names)
            and (not types or one.kind in types)
        ]
    }


def delete(call: Call) -> Answer:
    """DeletePolicy, with the alarms that it made for itself; others stay and their action fails [ASG]."""
    policy, alarms = _policy(call), call.service.alarms
    del call.service.policies[policy.arn]
    with alarms.lock:
        for name in policy.alarms:
            alarms.home.alarms.pop(name, None)
    return None


def execute(call: Call) -> Answer:
    """ExecutePolicy: by hand, so that a suspended AlarmNotification does not hold it up."""
    policy, group, moment = _policy(call), call.group, call.service.moment()
    if policy.kind == TARGET:
        raise invalid("ExecutePolicy is not supported for target tracking policies.")
    if call.flag("HonorCooldown") and policy.waits(group, moment):
        raise Refused("ScalingActivityInProgress", f"The group {group.name} is within its cooldown period.")
    if policy.kind == STEP and None in (call.params.get("MetricValue"), call.params.get("BreachThreshold")):
        raise invalid("MetricValue and BreachThreshold are required for step scaling policies.")
    value, threshold = (call.params.get(name) for name in ("MetricValue", "BreachThreshold"))
    numbers = [None if one is None else float(one) for one in (value, threshold)]
    policy.carry_out(group, Signal(value=numbers[0], threshold=numbers[1]), moment)
    call.service.wake()
    return None


ACTIONS: Mapping[str, Action] = {
    "PutScalingPolicy": put,
    "DescribePolicies": describe,
    "DeletePolicy": delete,
    "ExecutePolicy": execute,
}
