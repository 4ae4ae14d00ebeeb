"""Processes, scheduled actions and instance refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deployer.lab.autoscaling.calls import Action, Answer, Call
from deployer.lab.autoscaling.errors import Refused, invalid
from deployer.lab.autoscaling.records import Process
from deployer.lab.autoscaling.schedules import Scheduled
from deployer.lab.autoscaling.shown import refresh_wire

_SCHEDULE_SETTINGS = ("MinSize", "MaxSize", "DesiredCapacity", "EndTime", "Recurrence", "TimeZone")


# -- processes -----------------------------------------------------------------------------------------


def _processes(call: Call) -> list[Process]:
    names = call.texts("ScalingProcesses")
    known = {one.value: one for one in Process}
    for name in names:
        if name not in known:
            raise invalid(f"{name} is not a valid scaling process; known are {', '.join(known)}.")
    return [known[name] for name in names] or list(Process)


def suspend(call: Call) -> Answer:
    """SuspendProcesses; without names, all of them."""
    now = call.service.life.now()
    for process in _processes(call):
        call.group.suspended.setdefault(process, f"User suspended at {now:%Y-%m-%dT%H:%M:%SZ}")
    return None


def resume(call: Call) -> Answer:
    """ResumeProcesses; without names, all of them."""
    for process in _processes(call):
        call.group.suspended.pop(process, None)
    call.service.wake()
    return None


# -- scheduled actions ---------------------------------------------------------------------------------


def _schedule(call: Call, given: Mapping[str, Any]) -> None:
    start = given.get("StartTime") or given.get("Time")
    if start is None:
        if not given.get("Recurrence"):
            raise invalid("Either StartTime or Recurrence is required.")
        start = datetime.max.replace(tzinfo=UTC)
    settings = {key: given[key] for key in _SCHEDULE_SETTINGS if given.get(key) is not None}
    call.service.schedules.put(Scheduled(str(given["ScheduledActionName"]), call.group.name, start, settings))


def put_scheduled(call: Call) -> Answer:
    """PutScheduledUpdateGroupAction. One with only a recurrence is kept, and never carried out here."""
    _schedule(call, call.params)
    return None


def put_many_scheduled(call: Call) -> Answer:
    """BatchPutScheduledUpdateGroupAction."""
    for given in call.params.get("ScheduledUpdateGroupActions") or ():
        _schedule(call, given)
    return {"FailedScheduledUpdateGroupActions": []}


def describe_scheduled(call: Call) -> Answer:
    """DescribeScheduledActions."""
    group, names = call.text("AutoScalingGroupName"), call.texts("ScheduledActionNames")
    never = datetime.max.replace(tzinfo=UTC)
    return {
        "ScheduledUpdateGroupActions": [
            {
                "AutoScalingGroupName": one.group,
                "ScheduledActionName": one.name,
                "StartTime": one.start if one.start != never else None,
                **one.settings,
            }
            for one in call.service.schedules.coming
            if group in (None, one.group) and (not names or one.name in names)
        ]
    }


def delete_scheduled(call: Call) -> Answer:
    """DeleteScheduledAction."""
    name = call.need("ScheduledActionName")
    if not call.service.schedules.drop(call.group.name, name):
        raise invalid(f"Scheduled action name not found: {name}")
    return None


# -- instance refresh ----------------------------------------------------------------------------------


def start_refresh(call: Call) -> Answer:
    """StartInstanceRefresh."""
    preferences = dict(call.params.get("Preferences") or {})
    wanted = call.params.get("DesiredConfiguration") or None
    if preferences.get("AutoRollback") and not wanted:
        raise invalid("AutoRollback needs a desired configuration to roll back from.")
    refresh = call.service.refreshes.start(call.group, preferences, wanted)
    call.service.wake()
    return {"InstanceRefreshId": refresh.id}


def describe_refreshes(call: Call) -> Answer:
    """DescribeInstanceRefreshes, the latest first."""
    ids = set(call.texts("InstanceRefreshIds"))
    found = call.service.refreshes.of(call.group.name)
    return {"InstanceRefreshes": [refresh_wire(one) for one in found if not ids or one.id in ids]}


def cancel_refresh(call: Call) -> Answer:
    """CancelInstanceRefresh."""
    return {"InstanceRefreshId": call.service.refreshes.cancel(call.group).id}


def roll_back_refresh(call: Call) -> Answer:
    """RollbackInstanceRefresh."""
    return {"InstanceRefreshId": call.service.refreshes.roll_back(call.group).id}


def warm_pool(_call: Call) -> Answer:
    """PutWarmPool: refused in a sentence rather than ignored."""
    raise Refused("ValidationError", "This lab has no warm pools.")


ACTIONS: Mapping[str, Action] = {
    "SuspendProcesses": suspend,
    "ResumeProcesses": resume,
    "DescribeScalingProcessTypes": lambda _call: {"Processes": [{"ProcessName": one.value} for one in Process]},
    "PutScheduledUpdateGroupAction": put_scheduled,
    "BatchPutScheduledUpdateGroupAction": put_many_scheduled,
    "DescribeScheduledActions": describe_scheduled,
    "DeleteScheduledAction": delete_scheduled,
    "StartInstanceRefresh": start_refresh,
    "DescribeInstanceRefreshes": describe_refreshes,
    "CancelInstanceRefresh": cancel_refresh,
    "RollbackInstanceRefresh": roll_back_refresh,
    "PutWarmPool": warm_pool,
}
