"""From the parameters of PutMetricAlarm and PutCompositeAlarm to an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.lab.alarms import reading
from deployer.lab.alarms.composite import Rule
from deployer.lab.alarms.errors import invalid
from deployer.lab.alarms.records import Alarm
from deployer.lab.alarms.service import Alarms, Region

_NOT_SHOWN = frozenset({"AlarmName", "Tags"})


def make_alarm(service: Alarms, region: Region, params: Mapping[str, Any]) -> Alarm:
    """A metric alarm, not yet put. Raises the API's errors."""
    alarm = _named(service, region, params)
    alarm.watch = reading.watch(params)
    return alarm


def make_composite(service: Alarms, region: Region, params: Mapping[str, Any]) -> Alarm:
    """A composite alarm, not yet put; every alarm of its rule has to exist. Raises the API's errors."""
    alarm = _named(service, region, params)
    alarm.rule = str(params.get("AlarmRule") or "")
    for name in Rule(alarm.rule).alarms:
        if name.rpartition(":alarm:")[2] not in region.alarms:
            raise invalid(f"AlarmRule must only contain existing alarms: {name}")
    return alarm


def _named(service: Alarms, region: Region, params: Mapping[str, Any]) -> Alarm:
    name = str(params.get("AlarmName") or "")
    if not name:
        raise invalid("AlarmName is required.")
    arn = f"arn:aws:cloudwatch:{region.name}:{service.account}:alarm:{name}"
    settings = {key: value for key, value in params.items() if key not in _NOT_SHOWN and value is not None}
    return Alarm(name, arn, settings, service.moment())
