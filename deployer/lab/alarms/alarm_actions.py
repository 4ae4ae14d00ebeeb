"""The actions on alarms: put, describe, set, enable, delete, history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deployer.lab.alarms import reading
from deployer.lab.alarms.calls import Action, Answer, Call, page
from deployer.lab.alarms.errors import Refused, invalid
from deployer.lab.alarms.making import make_alarm, make_composite
from deployer.lab.alarms.records import Alarm, HistoryItem, State

_MOST_DESCRIBED, _MOST_DELETED = 100, 100
_METRIC, _COMPOSITE = "MetricAlarm", "CompositeAlarm"


def put_metric(call: Call) -> Answer:
    """PutMetricAlarm."""
    call.service.put(call.region, make_alarm(call.service, call.region, call.params))
    return None


def put_composite(call: Call) -> Answer:
    """PutCompositeAlarm."""
    call.service.put(call.region, make_composite(call.service, call.region, call.params))
    return None


def wire(alarm: Alarm) -> Mapping[str, Any]:
    """An alarm as DescribeAlarms shows it."""
    return {
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        **({"Dimensions": []} if alarm.settings.get("MetricName") else {}),
        **alarm.settings,
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured,
        "StateValue": alarm.state.value,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data,
        "StateUpdatedTimestamp": alarm.updated,
        "StateTransitionedTimestamp": alarm.transitioned,
    }


def _kind(alarm: Alarm) -> str:
    return _COMPOSITE if alarm.rule else _METRIC


def describe(call: Call) -> Answer:
    """DescribeAlarms. Without AlarmTypes only metric alarms are shown, even when a composite one is named."""
    names, prefix, action = call.texts("AlarmNames"), call.text("AlarmNamePrefix"), call.text("ActionPrefix")
    if names and prefix:
        raise invalid("AlarmNames and AlarmNamePrefix cannot be given together.")
    kinds, state = call.texts("AlarmTypes") or [_METRIC], call.text("StateValue")
    found = [
        alarm
        for _, alarm in sorted(call.region.alarms.items())
        if (not names or alarm.name in names)
        and alarm.name.startswith(prefix or "")
        and _kind(alarm) in kinds
        and state in (None, alarm.state.value)
        and (action is None or any(arn.startswith(action) for one in State for arn in alarm.actions(one)))
    ]
    rows, more = page(call, found, _MOST_DESCRIBED)
    return {
        "MetricAlarms": [wire(one) for one in rows if not one.rule],
        "CompositeAlarms": [wire(one) for one in rows if one.rule],
        "NextToken": more,
    }


def describe_for_metric(call: Call) -> Answer:
    """DescribeAlarmsForMetric: the alarms that name this metric themselves."""
    metric = reading.metric(call.params)
    found = [
        alarm
        for _, alarm in sorted(call.region.alarms.items())
        if alarm.watch is not None and alarm.watch.judged.metric == metric
    ]
    return {"MetricAlarms": [wire(one) for one in found]}


def set_state(call: Call) -> Answer:
    """SetAlarmState: for the time until the alarm is evaluated again."""
    alarm, value = call.region.alarm(call.need("AlarmName")), call.need("StateValue")
    if value not in {state.value for state in State}:
        raise invalid(f"Value '{value}' at 'stateValue' must be one of: INSUFFICIENT_DATA, ALARM, OK.")
    data = call.text("StateReasonData") or "{}"
    try:
        json.loads(data)
    except ValueError:
        raise Refused("InvalidFormat", "StateReasonData must be JSON.") from None
    call.service.enter(alarm, State(value), call.need("StateReason"), data)
    return None


def delete(call: Call) -> Answer:
    """DeleteAlarms: all or, when one does not exist, none."""
    names = call.texts("AlarmNames")
    if len(names) > _MOST_DELETED:
        raise invalid(f"At most {_MOST_DELETED} alarms can be deleted in one call.")
    for name in names:
        call.region.alarm(name)
    for name in names:
        del call.region.alarms[name]
    return None


def _arm(call: Call, *, enabled: bool) -> Answer:
    """EnableAlarmActions, DisableAlarmActions."""
    for name in call.texts("AlarmNames"):
        alarm = call.region.alarm(name)
        alarm.settings = {**alarm.settings, "ActionsEnabled": enabled}
    return None


def history(call: Call) -> Answer:
    """DescribeAlarmHistory, the latest first."""
    name, kind = call.text("AlarmName"), call.text("HistoryItemType")
    start = datetime.fromtimestamp(call.time("StartDate") or 0.0, UTC)
    end = datetime.fromtimestamp(call.time("EndDate") or call.service.now() + 1, UTC)
    kinds = call.texts("AlarmTypes") or [_METRIC]
    rows = [
        _item(alarm, item)
        for alarm in call.region.alarms.values()
        if name in (None, alarm.name) and _kind(alarm) in kinds
        for item in alarm.history
        if kind in (None, item.kind) and start <= item.at <= end
    ]
    rows.sort(key=lambda row: row["Timestamp"], reverse=call.text("ScanBy") != "TimestampAscending")
    shown, more = page(call, rows, _MOST_DESCRIBED)
    return {"AlarmHistoryItems": shown, "NextToken": more}


def _item(alarm: Alarm, item: HistoryItem) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmType": _kind(alarm),
        "Timestamp": item.at,
        "HistoryItemType": item.kind,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }


ACTIONS: Mapping[str, Action] = {
    "PutMetricAlarm": put_metric,
    "PutCompositeAlarm": put_composite,
    "DescribeAlarms": describe,
    "DescribeAlarmsForMetric": describe_for_metric,
    "SetAlarmState": set_state,
    "DeleteAlarms": delete,
    "EnableAlarmActions": lambda call: _arm(call, enabled=True),
    "DisableAlarmActions": lambda call: _arm(call, enabled=False),
    "DescribeAlarmHistory": history,
}
