"""Scaling policies and scheduled actions: what changes a group's desired capacity by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deployer.lab.autoscaling.records import Group, Process


@dataclass(frozen=True)
class ScalingPolicy:
    """A policy as PutScalingPolicy gave it."""

    name: str
    arn: str
    group: str
    settings: Mapping[str, Any]

    def carry_out(self, group: Group, *, by_alarm: bool) -> bool:
        """Changes the desired capacity within the limits; False when alarms are not to be heard."""
        if by_alarm and not group.runs(Process.ALARM_NOTIFICATION):
            return False
        wanted = self._wanted(group.desired)
        group.desired = max(group.least, min(group.most, wanted))
        group.cause = (
            f"a monitor alarm triggered policy {self.name} changing the desired capacity to {group.desired}"
        )
        return True

    def _wanted(self, desired: int) -> int:
        step = self._adjustment()
        match self.settings.get("AdjustmentType"):
            case "ExactCapacity":
                return step
            case "PercentChangeInCapacity":
                change = desired * step / 100
                whole = (
                    math.ceil(change) if 0 < change < 1 else math.floor(change) if -1 < change < 0 else int(change)
                )
                least = int(self.settings.get("MinAdjustmentMagnitude") or 0)
                return desired + int(math.copysign(max(abs(whole), least), step))
            case _:
                return desired + step

    def _adjustment(self) -> int:
        """The simple adjustment, or that of the first step."""
        steps: Sequence[Mapping[str, Any]] = self.settings.get("StepAdjustments") or ()
        return int(steps[0]["ScalingAdjustment"] if steps else self.settings.get("ScalingAdjustment") or 0)


@dataclass(frozen=True)
class Scheduled:
    """A scheduled action with a start time."""

    name: str
    group: str
    start: datetime
    settings: Mapping[str, Any]


@dataclass
class Schedules:
    """The scheduled actions that are still to come. Only a start time is heeded, no recurrence."""

    coming: list[Scheduled] = field(default_factory=list)

    def put(self, action: Scheduled) -> None:
        """Adds an action, or replaces the one of the same name."""
        self.drop(action.group, action.name)
        self.coming.append(action)

    def drop(self, group: str, name: str) -> bool:
        """Removes an action; whether there was one."""
        left = [one for one in self.coming if (one.group, one.name) != (group, name)]
        was_there = len(left) < len(self.coming)
        self.coming = left
        return was_there

    def turn(self, group: Group, now: datetime) -> None:
        """Carries out what is due, unless ScheduledActions is suspended: then it is missed, as on AWS."""
        due = [one for one in self.coming if one.group == group.name and _utc(one.start) <= now]
        for action in due:
            self.coming.remove(action)
            if group.runs(Process.SCHEDULED_ACTIONS):
                _apply(group, action)


def _apply(group: Group, action: Scheduled) -> None:
    given = action.settings
    group.least = int(given.get("MinSize", group.least))
    group.most = int(given.get("MaxSize", group.most))
    group.desired = max(group.least, min(group.most, int(given.get("DesiredCapacity", group.desired))))
    group.cause = f"the scheduled action {action.name} changed the desired capacity to {group.desired}"


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
