"""The actions on metrics: put, list, and read with statistics. What they say is not scaled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deployer.lab.alarms import reading
from deployer.lab.alarms.calls import Action, Answer, Call, page, seconds
from deployer.lab.alarms.errors import invalid, wrong_together, wrong_value
from deployer.lab.alarms.metrics import Datum, is_statistic, statistic
from deployer.lab.alarms.records import Metric, Query
from deployer.lab.alarms.series import Period, Series

_MOST_LISTED, _MOST_POINTS = 500, 1440


def put(call: Call) -> Answer:
    """PutMetricData."""
    namespace = call.need("Namespace")
    for given in call.params.get("MetricData") or ():
        metric = reading.metric({**given, "Namespace": namespace})
        at = seconds(given.get("Timestamp"))
        call.region.metrics.put(metric, _datum(given, call.service.now() if at is None else at))
    return None


def _datum(given: Mapping[str, Any], at: float) -> Datum:
    unit, summary, values = str(given.get("Unit") or "None"), given.get("StatisticValues"), given.get("Values")
    if sum(one is not None for one in (given.get("Value"), summary or None, values or None)) != 1:
        raise wrong_together("A datum must have one of Value, Values and StatisticValues.")
    if summary:
        count, total, least, most = (float(summary[k]) for k in ("SampleCount", "Sum", "Minimum", "Maximum"))
        return Datum(at, count, total, least, most, unit=unit)
    seen = [float(value) for value in values] if values else [float(given["Value"])]
    counts = [float(count) for count in given.get("Counts") or ()] or [1.0] * len(seen)
    if len(counts) != len(seen):
        raise wrong_value("The parameters Values and Counts must be of the same size.")
    if not all(math.isfinite(value) for value in seen):
        raise wrong_value("A value must be a finite number.")
    times: dict[float, float] = {}
    for value, count in zip(seen, counts, strict=True):
        times[value] = times.get(value, 0.0) + count
    return Datum.of(at, times, unit)


def list_metrics(call: Call) -> Answer:
    """ListMetrics."""
    namespace, name = call.text("Namespace"), call.text("MetricName")
    wanted = [(str(one["Name"]), one.get("Value")) for one in call.params.get("Dimensions") or ()]
    found = [
        metric
        for metric in call.region.metrics.names()
        if namespace in (None, metric.namespace) and name in (None, metric.name) and _has(metric, wanted)
    ]
    rows, more = page(call, [metric.wire for metric in found], _MOST_LISTED)
    return {"Metrics": rows, "NextToken": more}


def _has(metric: Metric, wanted: list[tuple[str, Any]]) -> bool:
    own = dict(metric.dimensions)
    return all(key in own and value in (None, own[key]) for key, value in wanted)


def _periods(call: Call, length: int) -> list[Period]:
    """The periods between StartTime and EndTime, aligned to the clock as CloudWatch does it."""
    start, end = call.time("StartTime"), call.time("EndTime")
    if start is None or end is None:
        raise invalid("StartTime and EndTime are required.")
    if start >= end:
        raise wrong_value("The parameter StartTime must be less than the parameter EndTime.")
    first = math.floor(start / length) * length
    count = math.ceil((end - first) / length)
    return [Period(first + n * length, first + (n + 1) * length) for n in range(count)]


def statistics(call: Call) -> Answer:
    """GetMetricStatistics. The dimensions must be all that the metric has."""
    metric, length = reading.metric(call.params), reading.period(call.params.get("Period"))
    plain, extended = call.texts("Statistics"), call.texts("ExtendedStatistics")
    if not plain and not extended:
        raise wrong_together("Must specify either Statistics or ExtendedStatistics")
    for name in (*plain, *extended):
        if not is_statistic(name):
            raise wrong_value(f"This lab has no statistic {name}.")
    periods = _periods(call, length)
    if len(periods) > _MOST_POINTS:
        raise wrong_together(f"You have requested {len(periods)} datapoints, which exceeds {_MOST_POINTS}.")
    points = []
    for one in periods:
        data = call.region.metrics.between(metric, one.start, one.end, call.text("Unit"))
        if not data:
            continue
        shown: dict[str, Any] = {"Timestamp": _moment(one.start), "Unit": data[-1].unit}
        shown |= {name: statistic(data, name) for name in plain}
        if extended:
            shown["ExtendedStatistics"] = {name: statistic(data, name) for name in extended}
        points.append(shown)
    return {"Label": metric.name, "Datapoints": points}


def data(call: Call) -> Answer:
    """GetMetricData: the latest first, unless asked otherwise."""
    asked = reading.queries(call.params.get("MetricDataQueries") or [])
    series = Series(asked)
    ascending = call.text("ScanBy") == "TimestampAscending"
    results = [_result(call, one, series, ascending=ascending) for one in asked if one.returned]
    return {"MetricDataResults": results, "Messages": []}


def _result(call: Call, asked: Query, series: Series, *, ascending: bool) -> Mapping[str, Any]:
    found = [
        (one.start, value)
        for one in _periods(call, asked.period)
        if (value := series.value(asked.id, one, call.region.metrics)) is not None
    ]
    found.sort(reverse=not ascending)
    return {
        "Id": asked.id,
        "Label": asked.label or (asked.metric.name if asked.metric is not None else asked.id),
        "Timestamps": [_moment(at) for at, _ in found],
        "Values": [value for _, value in found],
        "StatusCode": "Complete",
    }


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


ACTIONS: Mapping[str, Action] = {
    "PutMetricData": put,
    "ListMetrics": list_metrics,
    "GetMetricStatistics": statistics,
    "GetMetricData": data,
}
