"""Group metrics and notifications: kept and shown, as other people's tools set them; nothing is published."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.lab.autoscaling.calls import Action, Answer, Call
from deployer.lab.autoscaling.errors import invalid

METRICS = (
    "GroupMinSize",
    "GroupMaxSize",
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
)
"""The group metrics without those of warm pools, which this lab has not."""
NOTIFICATIONS = (
    "autoscaling:EC2_INSTANCE_LAUNCH",
    "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
    "autoscaling:EC2_INSTANCE_TERMINATE",
    "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
    "autoscaling:TEST_NOTIFICATION",
)
_GRANULARITY = "1Minute"


def _metrics(call: Call) -> list[str]:
    """The metrics that a call names; all of them when it names none."""
    named = call.texts("Metrics")
    for name in named:
        if name not in METRICS:
            raise invalid(f"{name} is not a valid metric; known are {', '.join(METRICS)}.")
    return named or list(METRICS)


def enable_metrics(call: Call) -> Answer:
    """EnableMetricsCollection: the one granularity is a minute."""
    if call.need("Granularity") != _GRANULARITY:
        raise invalid(f"Granularity must be {_GRANULARITY}.")
    call.group.metrics.update(_metrics(call))
    return None


def disable_metrics(call: Call) -> Answer:
    """DisableMetricsCollection: what was not enabled is no error."""
    call.group.metrics.difference_update(_metrics(call))
    return None


def metric_types(_call: Call) -> Answer:
    """DescribeMetricCollectionTypes."""
    return {
        "Metrics": [{"Metric": name} for name in METRICS],
        "Granularities": [{"Granularity": _GRANULARITY}],
    }


def put_notification(call: Call) -> Answer:
    """PutNotificationConfiguration: replaces what the group tells one topic."""
    types = call.texts("NotificationTypes")
    for one in types:
        if one not in NOTIFICATIONS:
            raise invalid(f"{one} is not a valid notification type; known are {', '.join(NOTIFICATIONS)}.")
    call.group.notifications[call.need("TopicARN")] = tuple(types)
    return None


def delete_notification(call: Call) -> Answer:
    """DeleteNotificationConfiguration."""
    if call.group.notifications.pop(call.need("TopicARN"), None) is None:
        raise invalid(f"Notification configuration for topic {call.text('TopicARN')} not found.")
    return None


def describe_notifications(call: Call) -> Answer:
    """DescribeNotificationConfigurations: a row for each group, topic and type."""
    names = call.texts("AutoScalingGroupNames")
    return {
        "NotificationConfigurations": [
            {"AutoScalingGroupName": group.name, "TopicARN": topic, "NotificationType": one}
            for group in call.service.groups.values()
            if not names or group.name in names
            for topic, types in group.notifications.items()
            for one in types
        ]
    }


ACTIONS: Mapping[str, Action] = {
    "EnableMetricsCollection": enable_metrics,
    "DisableMetricsCollection": disable_metrics,
    "DescribeMetricCollectionTypes": metric_types,
    "PutNotificationConfiguration": put_notification,
    "DeleteNotificationConfiguration": delete_notification,
    "DescribeNotificationConfigurations": describe_notifications,
    "DescribeAutoScalingNotificationTypes": lambda _call: {"AutoScalingNotificationTypes": list(NOTIFICATIONS)},
}
