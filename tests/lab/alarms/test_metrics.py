"""Metrics: what is put comes back as the statistics that CloudWatch documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from deployer.lab.alarms.expressions import Expression
from tests.lab.alarms.monitored import Watched, refusal


def statistics(watched: Watched, *names: str, **more: Any) -> list[dict[str, Any]]:
    asked = {
        "Namespace": "Shop",
        "MetricName": "Errors",
        "StartTime": watched.now - timedelta(minutes=5),
        "EndTime": watched.now + timedelta(minutes=5),
        "Period": 60,
        **({"Statistics": list(names)} if names else {}),
        **more,
    }
    found: list[dict[str, Any]] = watched.client.get_metric_statistics(**asked)["Datapoints"]
    return sorted(found, key=lambda point: point["Timestamp"])


def test_the_plain_statistics_are_computed_for_each_period(watched: Watched) -> None:
    watched.put(1, 2, 6)
    watched.clock.time += 60
    watched.put(5)
    first, second = statistics(watched, "SampleCount", "Average", "Sum", "Minimum", "Maximum")
    assert [first[name] for name in ("SampleCount", "Average", "Sum", "Minimum", "Maximum")] == [3, 3, 9, 1, 6]
    assert second["Sum"] == 5
    assert (second["Timestamp"] - first["Timestamp"]).total_seconds() == 60


def test_a_period_begins_at_a_full_minute_however_the_question_was_put(watched: Watched) -> None:
    watched.clock.time += 17
    watched.put(1)
    [point] = statistics(watched, "Sum")
    assert point["Timestamp"].timestamp() == watched.clock.time - 17


def test_values_with_counts_and_summaries_add_up(watched: Watched) -> None:
    watched.put(1, 10, Counts=[9, 1])
    summary = {"SampleCount": 2, "Sum": 30, "Minimum": 10, "Maximum": 20}
    data = [{"MetricName": "Errors", "Timestamp": watched.now, "StatisticValues": summary}]
    watched.client.put_metric_data(Namespace="Shop", MetricData=data)
    [point] = statistics(watched, "SampleCount", "Sum", "Maximum")
    assert (point["SampleCount"], point["Sum"], point["Maximum"]) == (12, 49, 20)


def test_a_percentile_is_that_of_the_values_and_of_bare_summaries_there_is_none(watched: Watched) -> None:
    watched.put(*range(1, 101))
    [point] = statistics(watched, ExtendedStatistics=["p50", "p99"])
    assert point["ExtendedStatistics"] == {"p50": 50, "p99": 99}


def test_dimensions_are_part_of_a_metrics_name(watched: Watched) -> None:
    watched.put(1)
    watched.put(7, Dimensions=[{"Name": "Host", "Value": "a"}])
    assert [point["Sum"] for point in statistics(watched, "Sum")] == [1]
    own = [{"Name": "Host", "Value": "a"}]
    assert [point["Sum"] for point in statistics(watched, "Sum", Dimensions=own)] == [7]
    assert statistics(watched, "Sum", Dimensions=[{"Name": "Host", "Value": "b"}]) == []
    listed = watched.client.list_metrics(Namespace="Shop", Dimensions=[{"Name": "Host"}])["Metrics"]
    assert [one["Dimensions"] for one in listed] == [own]


def test_metric_data_with_an_expression_has_values_only_where_both_sides_have(watched: Watched) -> None:
    watched.put(5)
    watched.put(50, name="Requests")
    watched.clock.time += 60
    watched.put(10, name="Requests")

    def query(ident: str, name: str) -> dict[str, Any]:
        stat = {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": ident, "MetricStat": stat, "ReturnData": False}

    rate = {"Id": "rate", "Expression": "100 * errors / requests", "Label": "error rate"}
    queries = [query("errors", "Errors"), query("requests", "Requests"), rate]
    window = {"StartTime": watched.now - timedelta(minutes=5), "EndTime": watched.now + timedelta(minutes=1)}
    found = watched.client.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]
    assert [(one["Id"], one["Label"], one["Values"]) for one in found] == [("rate", "error rate", [10])]
    queries[2]["Expression"] = "100 * FILL(errors, 0) / requests"
    found = watched.client.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]
    assert found[0]["Values"] == [0, 10], "the latest first"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2", 12.0),
        ("-a / b", -0.4),
        ("IF(a > b, 1, 0)", 0.0),
        ("SUM([a, b])", 7.0),
        ("MAX(METRICS())", 5.0),
        ("AVG(METRICS())", 3.5),
        ("CEIL(a / b) + FLOOR(b / a) + ABS(-1)", 4.0),
        ("FILL(c, 3)", 3.0),
        ("a + c", None),
        ("a / 0", None),
    ],
)
def test_an_expression_is_computed_in_each_period(text: str, expected: float | None) -> None:
    assert Expression(text).value({"a": 2.0, "b": 5.0, "c": None}) == expected


@pytest.mark.parametrize("text", ["a +", "RATE(a)", "a.b", "'x'", "__import__('os')", "a if b else c"])
def test_an_expression_that_the_lab_cannot_compute_is_refused(watched: Watched, text: str) -> None:
    query = {"Id": "e1", "Expression": text}
    window = {"StartTime": watched.now - timedelta(minutes=5), "EndTime": watched.now}
    call = watched.client.get_metric_data
    assert refusal(lambda: call(MetricDataQueries=[query], **window)) == "ValidationError"


def test_a_statistic_that_does_not_exist_is_refused(watched: Watched) -> None:
    assert refusal(lambda: statistics(watched, ExtendedStatistics=["tm90"])) == "InvalidParameterValue"
