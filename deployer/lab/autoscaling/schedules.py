"""Scheduled actions: what changes a group's limits and capacity at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deployer.lab.autoscaling.records import Group, Process


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
