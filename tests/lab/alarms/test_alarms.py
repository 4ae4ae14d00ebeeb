"""Alarms through the API: how they are made, what they see, and what they do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.lab.alarms.monitored import TOPIC, Watched, refusal

POLICY = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:1:autoScalingGroupName/web:policyName/out"


def test_a_new_alarm_has_no_data_and_says_so(watched: Watched) -> None:
    watched.alarm(AlarmDescription="too many")
    shown = watched.described()
    assert (shown["StateValue"], shown["StateReason"]) == ("INSUFFICIENT_DATA", "Unchecked: Initial alarm creation")
    assert shown["AlarmArn"] == "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:errors"
    assert (shown["AlarmDescription"], shown["ActionsEnabled"], shown["Threshold"]) == ("too many", True, 5.0)
    assert shown["Dimensions"] == []


def test_it_goes_to_alarm_and_back_to_ok_with_the_numbers_in_the_reason(watched: Watched) -> None:
    watched.alarm()
    assert watched.minute(1) == "OK"
    before = watched.described()["StateUpdatedTimestamp"]
    assert watched.minute(4, 4) == "ALARM"
    shown = watched.described()
    assert "1 out of the last 1 datapoint [8.0 (" in shown["StateReason"]
    assert "was greater than the threshold (5.0)" in shown["StateReason"]
    assert "OK -> ALARM transition" in shown["StateReason"]
    assert shown["StateUpdatedTimestamp"] == before + timedelta(minutes=1)
    assert watched.minute(2) == "OK"
    assert "was not greater than the threshold" in watched.described()["StateReason"]


def test_it_is_not_evaluated_before_the_minute_is_over(watched: Watched) -> None:
    watched.alarm()
    watched.put(50)
    watched.clock.time += 59
    watched.alarms.look()
    assert watched.state() == "INSUFFICIENT_DATA"
    watched.clock.time += 1
    watched.alarms.look()
    assert watched.state() == "ALARM"


def test_datapoints_to_alarm_of_evaluation_periods_have_to_breach(watched: Watched) -> None:
    watched.alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    states = [watched.minute(value) for value in (9, 0, 0, 9, 0, 9, 0, 0)]
    assert states[3:] == ["OK", "OK", "ALARM", "OK", "OK"]


@pytest.mark.parametrize(
    ("missing", "after"),
    [("notBreaching", "OK"), ("breaching", "ALARM"), ("ignore", "ALARM"), (None, "INSUFFICIENT_DATA")],
)
def test_silence_means_what_the_alarm_says_it_means(watched: Watched, missing: str | None, after: str) -> None:
    watched.alarm(TreatMissingData=missing)
    assert watched.minute(9) == "ALARM"
    for _ in range(3):
        last = watched.minute()
    assert last == after


def test_a_shorter_period_is_evaluated_every_ten_seconds(watched: Watched) -> None:
    watched.alarm(Period=10)
    watched.put(9)
    watched.clock.time += 10
    watched.alarms.look()
    assert watched.state() == "ALARM"


def test_a_lab_may_let_alarms_live_faster_than_they_say(watched: Watched) -> None:
    watched.alarms.scale = 0.1
    watched.alarm()
    watched.put(9)
    watched.clock.time += 6
    watched.alarms.look()
    assert watched.state() == "ALARM"


def test_a_percentile_and_an_error_rate_can_be_watched(watched: Watched) -> None:
    watched.alarm("slow", Statistic=None, ExtendedStatistic="p90", MetricName="Latency", Threshold=0.5)

    def stat(ident: str, name: str) -> dict[str, Any]:
        metric = {"Namespace": "Shop", "MetricName": name}
        return {
            "Id": ident,
            "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }

    none: dict[str, Any] = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    rate = {"Id": "rate", "Expression": "100*errors/requests", "ReturnData": True}
    watched.alarm(**none, Metrics=[stat("errors", "Errors"), stat("requests", "Requests"), rate])
    watched.put(*[0.1] * 8, 0.9, 0.9, name="Latency")
    watched.put(99, name="Requests")
    assert watched.minute(6) == "ALARM"
    assert watched.state("slow") == "ALARM"


def test_actions_are_carried_out_once_for_each_state_entered(watched: Watched) -> None:
    watched.alarm(AlarmActions=[TOPIC], OKActions=[f"{TOPIC}-ok"])
    for value in (9, 9, 9, 0):
        watched.minute(value)
    assert [(arn, one.state.value) for arn, one in watched.done.seen] == [(TOPIC, "ALARM"), (f"{TOPIC}-ok", "OK")]
    _, told = watched.done.seen[0]
    assert (told.before.value, told.value, told.threshold) == ("INSUFFICIENT_DATA", 9.0, 5.0)


def test_a_scaling_policy_is_carried_out_every_minute_that_the_alarm_stays(watched: Watched) -> None:
    watched.alarm(AlarmActions=[POLICY, TOPIC])
    for value in (9, 9, 9):
        watched.minute(value)
    assert [arn for arn, _ in watched.done.seen] == [POLICY, TOPIC, POLICY, POLICY]


def test_disabled_actions_are_not_carried_out(watched: Watched) -> None:
    watched.alarm(AlarmActions=[TOPIC])
    watched.client.disable_alarm_actions(AlarmNames=["errors"])
    assert watched.minute(9) == "ALARM"
    assert watched.done.seen == []
    watched.client.enable_alarm_actions(AlarmNames=["errors"])
    watched.minute(0)
    watched.minute(9)
    assert len(watched.done.seen) == 1


def test_a_state_that_is_set_lasts_until_the_next_evaluation(watched: Watched) -> None:
    watched.alarm(AlarmActions=[TOPIC])
    watched.minute(0)
    watched.client.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a drill")
    watched.alarms.look()
    assert (watched.state(), watched.described()["StateReason"]) == ("ALARM", "a drill")
    assert len(watched.done.seen) == 1
    assert watched.minute(0) == "OK"


def test_new_settings_leave_the_state_as_it_is(watched: Watched) -> None:
    watched.alarm()
    watched.minute(9)
    watched.alarm(Threshold=100.0)
    assert (watched.state(), watched.described()["Threshold"]) == ("ALARM", 100.0)
    assert watched.minute(9) == "OK"


def test_the_history_tells_what_was_configured_what_changed_and_what_was_done(watched: Watched) -> None:
    watched.alarm(AlarmActions=[TOPIC])
    watched.minute(0)
    watched.minute(9)
    assert watched.history("ConfigurationUpdate") == ['Alarm "errors" created']
    assert watched.history("StateUpdate") == [
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    ]
    assert watched.history("Action") == [f"Successfully executed action {TOPIC}"]


def test_an_action_that_fails_is_in_the_history_and_harms_nobody(watched: Watched) -> None:
    watched.done.refuse = "Topic does not exist"
    watched.alarm(AlarmActions=[TOPIC, "arn:aws:automate:eu-west-1:ec2:stop"])
    assert watched.minute(9) == "ALARM"
    failed = watched.history("Action")
    assert any(line.endswith("Topic does not exist") for line in failed)
    assert any("arn:aws:automate" in line for line in failed)


def test_alarms_are_found_by_name_prefix_state_and_action_in_pages(watched: Watched) -> None:
    watched.alarm("a-one", AlarmActions=[TOPIC])
    watched.alarm("a-two")
    watched.alarm("b")

    def names(**asked: Any) -> list[str]:
        pages = watched.client.get_paginator("describe_alarms").paginate(**asked, PaginationConfig={"PageSize": 2})
        return [one["AlarmName"] for page in pages for one in page["MetricAlarms"]]

    assert names() == ["a-one", "a-two", "b"]
    assert names(AlarmNamePrefix="a-") == ["a-one", "a-two"]
    assert names(ActionPrefix="arn:aws:sns") == ["a-one"]
    assert names(StateValue="ALARM") == []
    watched.client.delete_alarms(AlarmNames=["a-one", "b"])
    assert names() == ["a-two"]


def test_a_deletion_with_an_unknown_name_deletes_nothing(watched: Watched) -> None:
    watched.alarm()
    delete = watched.client.delete_alarms
    assert refusal(lambda: delete(AlarmNames=["errors", "nobody"])) == "ResourceNotFound"
    assert watched.state() == "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Period": 45},
        {"DatapointsToAlarm": 2},
        {"Threshold": None},
        {"Statistic": None},
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
        {"TreatMissingData": "whatever"},
        {"Period": 3600, "EvaluationPeriods": 169},
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused(watched: Watched, wrong: dict[str, Any]) -> None:
    assert refusal(lambda: watched.alarm(**wrong)) in {"ValidationError", "InvalidParameterValue"}


def test_a_composite_alarm_follows_the_alarms_of_its_rule(watched: Watched) -> None:
    watched.alarm()
    watched.alarm("slow", MetricName="Latency")
    rule = 'ALARM(errors) AND NOT (OK("slow") OR FALSE)'
    watched.client.put_composite_alarm(AlarmName="both", AlarmRule=rule, AlarmActions=[TOPIC])
    watched.minute(9)
    assert watched.state("both") == "ALARM"
    assert [arn for arn, _ in watched.done.seen] == [TOPIC]
    watched.put(0, name="Latency")
    watched.minute(9)
    watched.alarms.look()
    assert watched.state("both") == "OK"
    assert watched.client.describe_alarms()["CompositeAlarms"] == [], "shown only when asked for by AlarmTypes"


@pytest.mark.parametrize("rule", ["ALARM(nobody)", "ALARM(errors", "errors", "ALARM(errors) OK(errors)", "AND"])
def test_a_rule_that_cannot_be_read_or_names_nobody_is_refused(watched: Watched, rule: str) -> None:
    watched.alarm()
    put = watched.client.put_composite_alarm
    assert refusal(lambda: put(AlarmName="both", AlarmRule=rule)) == "ValidationError"
