"""Instance refresh: replacing a group's members little by little, as a group does it by itself."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from deployer.lab.autoscaling.balance import made_from
from deployer.lab.autoscaling.dynamics import Dynamics
from deployer.lab.autoscaling.errors import Refused
from deployer.lab.autoscaling.lifecycle import Life
from deployer.lab.autoscaling.records import Group, Member, Process, Source


class Status(Enum):
    """The statuses of a refresh (botocore: InstanceRefreshStatus)."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCESSFUL = "Successful"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    ROLLBACK_IN_PROGRESS = "RollbackInProgress"
    ROLLBACK_SUCCESSFUL = "RollbackSuccessful"


OPEN = frozenset({Status.PENDING, Status.IN_PROGRESS, Status.CANCELLING, Status.ROLLBACK_IN_PROGRESS})
DEFAULT_MIN_HEALTHY = 90


@dataclass
class Refresh:
    """One instance refresh of one group."""

    id: str
    group: str
    preferences: Mapping[str, Any]
    wanted: Mapping[str, Any] | None
    before: Source
    started: datetime
    status: Status = Status.PENDING
    todo: list[str] = field(default_factory=list)
    total: int = 0
    ended: datetime | None = None
    reason: str | None = None

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return 100 if not self.total else 100 * (self.total - len(self.todo)) // self.total


@dataclass
class Refreshes:
    """The refreshes of all groups, the latest first."""

    life: Life
    dynamics: Dynamics
    known: list[Refresh] = field(default_factory=list)

    def open_one(self, group: str) -> Refresh | None:
        """The refresh of a group that has not come to its end."""
        return next((one for one in self.known if one.group == group and one.status in OPEN), None)

    def of(self, group: str) -> list[Refresh]:
        """All refreshes of a group, the latest first."""
        return [one for one in self.known if one.group == group]

    def start(self, group: Group, preferences: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> Refresh:
        """Begins one. Raises InstanceRefreshInProgress, and ValidationError for a configuration that is none."""
        if self.open_one(group.name) is not None:
            raise Refused(
                "InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks this."
            )
        before = group.source
        if wanted:
            group.source = _desired_source(before, wanted)
            try:
                self.life.launcher.check(group.source)
            except Refused:
                group.source = before
                raise
        refresh = Refresh(str(uuid.uuid4()), group.name, preferences, wanted, before, self.life.now())
        self.known.insert(0, refresh)
        return refresh

    def cancel(self, group: Group) -> Refresh:
        """Replaces nothing more. Raises ActiveInstanceRefreshNotFound."""
        refresh = self._active(group)
        refresh.status = Status.CANCELLING
        return refresh

    def roll_back(self, group: Group) -> Refresh:
        """Goes back to what the group was made from before. Raises as on AWS."""
        refresh = self._active(group)
        if not refresh.wanted:
            message = "The instance refresh has no desired configuration to roll back from."
            raise Refused("IrreversibleInstanceRefresh", message)
        group.source = refresh.before
        refresh.status = Status.ROLLBACK_IN_PROGRESS
        refresh.todo = [one.id for one in group.counted() if not self._matches(group, one)]
        refresh.total = len(refresh.todo)
        return refresh

    def _active(self, group: Group) -> Refresh:
        refresh = self.open_one(group.name)
        if refresh is None:
            raise Refused("ActiveInstanceRefreshNotFound", "No in progress or pending Instance Refresh found.")
        return refresh

    def turn(self, group: Group) -> None:
        """One look at a group's refresh, and the next replacement if the healthy ones allow it."""
        refresh = self.open_one(group.name)
        if refresh is None or not group.runs(Process.INSTANCE_REFRESH):
            return
        match refresh.status:
            case Status.PENDING:
                refresh.todo = [one.id for one in group.counted() if not self._skipped(refresh, group, one)]
                refresh.total = len(refresh.todo)
                refresh.status = Status.IN_PROGRESS
            case Status.CANCELLING:
                self._end(refresh, Status.CANCELLED)
            case Status.IN_PROGRESS:
                self._go_on(refresh, group, Status.SUCCESSFUL)
            case _:
                self._go_on(refresh, group, Status.ROLLBACK_SUCCESSFUL)

    def _go_on(self, refresh: Refresh, group: Group, goal: Status) -> None:
        refresh.todo = [ident for ident in refresh.todo if ident in group.members]
        ready = [one for one in group.in_service() if one.healthy and self._warm(refresh, one)]
        whole = len(ready) >= group.desired
        if not refresh.todo:
            if whole:
                self._end(refresh, goal)
            return
        percent = refresh.preferences.get("MinHealthyPercentage")
        least = math.ceil(group.desired * int(DEFAULT_MIN_HEALTHY if percent is None else percent) / 100)
        # One goes at a time even where the percentage leaves no room for it. [ASG user guide]
        spare = max(len(ready) - least, 1 if whole else 0)
        for ident in [one.id for one in ready if one.id in refresh.todo and not one.protected][:spare]:
            cause = "an instance was taken out of service in response to an instance refresh"
            group.cause = cause
            self.life.retire(group, group.members[ident], cause)

    def _warm(self, refresh: Refresh, member: Member) -> bool:
        warmup = refresh.preferences.get("InstanceWarmup") or 0
        return member.in_service_at is not None and self.life.clock() - member.in_service_at >= int(warmup)

    def _skipped(self, refresh: Refresh, group: Group, member: Member) -> bool:
        return bool(refresh.preferences.get("SkipMatching")) and self._matches(group, member)

    def _matches(self, group: Group, member: Member) -> bool:
        specification = group.source.specification()
        if specification is None:
            return member.configuration == group.source.configuration
        template = self.life.launcher.template(specification)
        return made_from(member) == f"{template.id}:{template.number}"

    def _end(self, refresh: Refresh, status: Status) -> None:
        refresh.status = status
        refresh.ended = self.life.now()


def _desired_source(before: Source, wanted: Mapping[str, Any]) -> Source:
    if wanted.get("MixedInstancesPolicy"):
        return Source(mixed=wanted["MixedInstancesPolicy"])
    return replace(before, template=wanted["LaunchTemplate"], configuration=None, mixed=None)
