"""What Auto Scaling knows: groups, their members, hooks and activities. Changed under the service's lock only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class Lifecycle(Enum):
    """The states of a member (botocore: LifecycleState)."""

    PENDING = "Pending"
    PENDING_WAIT = "Pending:Wait"
    PENDING_PROCEED = "Pending:Proceed"
    IN_SERVICE = "InService"
    ENTERING_STANDBY = "EnteringStandby"
    STANDBY = "Standby"
    DETACHING = "Detaching"
    TERMINATING = "Terminating"
    TERMINATING_WAIT = "Terminating:Wait"
    TERMINATING_PROCEED = "Terminating:Proceed"


COUNTED = frozenset({Lifecycle.PENDING, Lifecycle.PENDING_WAIT, Lifecycle.PENDING_PROCEED, Lifecycle.IN_SERVICE})
"""The states that count towards the desired capacity."""

ENDING = frozenset({Lifecycle.TERMINATING, Lifecycle.TERMINATING_WAIT, Lifecycle.TERMINATING_PROCEED})


class Process(Enum):
    """The processes that can be suspended (SuspendProcesses)."""

    LAUNCH = "Launch"
    TERMINATE = "Terminate"
    ADD_TO_LOAD_BALANCER = "AddToLoadBalancer"
    ALARM_NOTIFICATION = "AlarmNotification"
    AZ_REBALANCE = "AZRebalance"
    HEALTH_CHECK = "HealthCheck"
    INSTANCE_REFRESH = "InstanceRefresh"
    REPLACE_UNHEALTHY = "ReplaceUnhealthy"
    SCHEDULED_ACTIONS = "ScheduledActions"


class Transition(Enum):
    """When a lifecycle hook holds a member up."""

    LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
    TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


@dataclass(frozen=True)
class Source:
    """What new members are made from: exactly one of the three, in the API's own form."""

    template: Mapping[str, Any] | None = None
    configuration: str | None = None
    mixed: Mapping[str, Any] | None = None

    def specification(self) -> Mapping[str, Any] | None:
        """The launch template specification, of the group or of its mixed-instances policy."""
        if self.mixed is not None:
            found: Mapping[str, Any] = self.mixed["LaunchTemplate"]["LaunchTemplateSpecification"]
            return found
        return self.template


@dataclass
class Activity:
    """One scaling activity. `status` is a ScalingActivityStatusCode."""

    id: str
    description: str
    cause: str
    started: datetime
    status: str = "InProgress"
    message: str = ""
    ended: datetime | None = None
    details: str = ""

    def end(self, now: datetime, *, failed: str = "") -> None:
        """Marks it as over."""
        self.ended = now
        self.status = "Failed" if failed else "Successful"
        self.message = failed


@dataclass(frozen=True)
class Hook:
    """A lifecycle hook. `timeout` is in seconds."""

    name: str
    transition: Transition
    timeout: int = 3600
    default: str = "ABANDON"
    metadata: str | None = None
    target: str | None = None
    role: str | None = None


@dataclass
class Hold:
    """One hook holding one member up, until `deadline` (monotonic seconds) or a result."""

    hook: Hook
    token: str
    deadline: float
    result: str | None = None


@dataclass
class Member:
    """One instance of a group."""

    id: str
    zone: str
    type: str
    image: str
    lifecycle: Lifecycle
    joined: float
    """Monotonic seconds of its launch or attachment."""
    template: Mapping[str, Any] | None = None
    """The launch template version it was made from, by number."""
    configuration: str | None = None
    healthy: bool = True
    protected: bool = False
    in_service_at: float | None = None
    activity: Activity | None = None
    holds: list[Hold] = field(default_factory=list)


@dataclass
class Group:
    """One Auto Scaling group. Durations are in seconds."""

    name: str
    arn: str
    source: Source
    least: int
    most: int
    desired: int
    subnets: dict[str, str]
    """Zone → subnet, in the order given."""
    vpc_zones: str
    created: datetime
    cooldown: int = 300
    health_type: str = "EC2"
    grace: int = 0
    protect_new: bool = False
    policies: list[str] = field(default_factory=lambda: ["Default"])
    target_groups: list[str] = field(default_factory=list)
    classics: list[str] = field(default_factory=list)
    tags: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Key → (value, whether new members get it)."""
    suspended: dict[Process, str] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    activities: list[Activity] = field(default_factory=list)
    further: dict[str, Any] = field(default_factory=dict)
    """Settings that are kept and shown but have no effect here, by their names in the API."""
    metrics: set[str] = field(default_factory=set)
    """The group metrics that are enabled."""
    notifications: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Topic ARN → the events it is to hear of."""
    cooldown_due: float | None = None
    """A simple policy has changed the size: a cooldown of so many seconds follows when that is done."""
    cooling_until: float = 0.0
    """The end of the cooldown (monotonic seconds)."""
    refused_until: float = 0.0
    """Launches failed: nothing is launched before this time (monotonic seconds)."""
    deleting: bool = False
    cause: str = ""
    """Why the desired capacity was changed last, for the activities that follow."""

    def counted(self) -> list[Member]:
        """The members that count towards the desired capacity."""
        return [one for one in self.members.values() if one.lifecycle in COUNTED]

    def in_service(self) -> list[Member]:
        """The members that are InService."""
        return [one for one in self.members.values() if one.lifecycle is Lifecycle.IN_SERVICE]

    def runs(self, process: Process) -> bool:
        """Whether a process is not suspended."""
        return process not in self.suspended

    def propagated(self) -> dict[str, str]:
        """The tags that members get."""
        return {key: value for key, (value, at_launch) in self.tags.items() if at_launch}
