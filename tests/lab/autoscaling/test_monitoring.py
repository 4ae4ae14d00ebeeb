"""Group metrics and notifications: settings that other tools write and read back."""

from __future__ import annotations

from tests.lab.autoscaling.fleet import Auto, refusal

TOPIC = "arn:aws:sns:eu-west-1:123456789012:scaling"


def test_group_metrics_are_shown_once_enabled_and_all_are_meant_where_none_is_named(auto: Auto) -> None:
    auto.group(desired=0)
    assert auto.described()["EnabledMetrics"] == []
    auto.client.enable_metrics_collection(AutoScalingGroupName=auto.name, Granularity="1Minute")
    assert len(auto.described()["EnabledMetrics"]) == 8
    auto.client.disable_metrics_collection(AutoScalingGroupName=auto.name)
    named = ["GroupMinSize"]
    auto.client.enable_metrics_collection(AutoScalingGroupName=auto.name, Granularity="1Minute", Metrics=named)
    assert auto.described()["EnabledMetrics"] == [{"Metric": "GroupMinSize", "Granularity": "1Minute"}]


def test_disabling_metrics_that_were_never_enabled_is_no_error(auto: Auto) -> None:
    auto.group(desired=0)
    auto.client.disable_metrics_collection(AutoScalingGroupName=auto.name, Metrics=["GroupMinSize"])
    assert auto.described()["EnabledMetrics"] == []


def test_an_unknown_group_metric_is_refused(auto: Auto) -> None:
    auto.group(desired=0)
    wrong = ["GroupSize"]
    asked = {"AutoScalingGroupName": auto.name, "Granularity": "1Minute", "Metrics": wrong}
    assert refusal(lambda: auto.client.enable_metrics_collection(**asked)) == "ValidationError"


def test_a_groups_notifications_are_told_by_topic_and_type_and_can_be_removed(auto: Auto) -> None:
    auto.group(desired=0)
    types = ["autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_TERMINATE"]
    auto.client.put_notification_configuration(
        AutoScalingGroupName=auto.name, TopicARN=TOPIC, NotificationTypes=types
    )
    found = auto.client.describe_notification_configurations(AutoScalingGroupNames=[auto.name])
    assert [one["NotificationType"] for one in found["NotificationConfigurations"]] == types
    auto.client.delete_notification_configuration(AutoScalingGroupName=auto.name, TopicARN=TOPIC)
    assert auto.client.describe_notification_configurations()["NotificationConfigurations"] == []
