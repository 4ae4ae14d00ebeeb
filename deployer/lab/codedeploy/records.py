"""What the lab's CodeDeploy keeps: configurations, groups, deployments and their targets. Times are UTC."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from deployer.lab.codedeploy.health import HostHealth, Minimum, Standing
from deployer.lab.codedeploy.order import LastDeployment
from deployer.remote.appspec.spec import LifecycleEvent


def now() -> datetime:
    """The time, as the API shows it."""
    return datetime.now(UTC)


class Status(Enum):
    """The statuses of a deployment."""

    CREATED = "Created"
    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    READY = "Ready"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def ended(self) -> bool:
        """Whether nothing comes after it."""
        return self in (Status.SUCCEEDED, Status.FAILED, Status.STOPPED)


class EventState(Enum):
    """The statuses of a lifecycle event, and of a target as a whole."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    READY = "Ready"


@dataclass(frozen=True)
class ZonalConfig:
    """Zone after zone, with a pause for watching in between; seconds."""

    minimum: Minimum | None = None
    first_monitor: float = 0.0
    monitor: float = 0.0


@dataclass(frozen=True)
class Config:
    """A deployment configuration. `id` is empty for those that CodeDeploy brings along."""

    name: str
    minimum: Minimum
    zonal: ZonalConfig | None = None
    id: str = ""
    created: datetime | None = None


@dataclass(frozen=True)
class Diagnostics:
    """Why an event failed; `log_tail` is the end of what its script said."""

    error_code: str
    script: str = ""
    message: str = ""
    log_tail: str = ""


@dataclass
class EventRecord:
    """One lifecycle event on one target."""

    event: LifecycleEvent
    state: EventState = EventState.PENDING
    began: datetime | None = None
    ended: datetime | None = None
    diagnostics: Diagnostics | None = None

    def begin(self) -> None:
        """It runs."""
        self.state, self.began = EventState.IN_PROGRESS, now()

    def end(self, state: EventState, diagnostics: Diagnostics | None = None) -> None:
        """It has ended."""
        self.began = self.began or now()
        self.state, self.ended, self.diagnostics = state, now(), diagnostics


@dataclass
class Target:
    """One instance of a deployment. `label` is Blue or Green in a blue/green deployment, else empty."""

    instance: str
    zone: str
    events: list[EventRecord]
    healthy_before: bool = True
    label: str = ""
    standing: Standing = Standing.PENDING
    """Where it is in the wave that runs now."""
    status: EventState = EventState.PENDING
    updated: datetime = field(default_factory=now)

    def event(self, event: LifecycleEvent) -> EventRecord:
        """The record of one event."""
        return next(record for record in self.events if record.event is event)

    def mark(self, status: EventState) -> None:
        """Changes the target's status."""
        self.status, self.updated = status, now()

    def health(self) -> HostHealth:
        """As the arithmetic sees it."""
        return HostHealth(self.instance, self.zone, self.healthy_before, self.standing)


@dataclass
class Group:
    """A deployment group: what was asked for, as the API's own document, and what became of it."""

    application: str
    name: str
    id: str
    document: dict[str, Any]
    last_successful: Deployment | None = None
    last_attempted: Deployment | None = None
    hosts: dict[str, LastDeployment] = field(default_factory=dict)
    """By instance: its latest deployment of this group."""

    @property
    def config_name(self) -> str:
        """The deployment configuration that is used when a deployment names none."""
        return str(self.document.get("deploymentConfigName") or "CodeDeployDefault.OneAtATime")

    @property
    def style(self) -> Mapping[str, str]:
        """In place or blue/green, with or without traffic control."""
        given = self.document.get("deploymentStyle") or {}
        return {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL", **given}

    @property
    def balanced(self) -> bool:
        """Whether its instances are taken from a balancer and given back."""
        return self.style["deploymentOption"] == "WITH_TRAFFIC_CONTROL"

    @property
    def blue_green(self) -> bool:
        """Whether green instances take over from blue ones."""
        return self.style["deploymentType"] == "BLUE_GREEN"


@dataclass
class Deployment:
    """One deployment. `lock` guards everything that its own thread and the API's threads both touch."""

    id: str
    group: Group
    revision: dict[str, Any]
    config: Config
    document: dict[str, Any]
    """What CreateDeployment was given."""
    creator: str = "user"
    status: Status = Status.CREATED
    created: datetime = field(default_factory=now)
    started: datetime | None = None
    completed: datetime | None = None
    targets: dict[str, Target] = field(default_factory=dict)
    previous: dict[str, Any] | None = None
    """The revision that the group had before."""
    error: tuple[str, str] | None = None
    rollback: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    stop_reason: str = ""
    """An error code, MANUAL_STOP or ALARM_ACTIVE, once somebody asked it to stop."""
    roll_back_on_stop: bool | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    """Set by ContinueDeployment while it is Ready."""
    end_wait: threading.Event = field(default_factory=threading.Event)
    """Set by ContinueDeployment to end the wait before blue instances are terminated."""
    waiting_to_terminate: bool = False
    traffic_moved: bool = False
    """Whether a green instance was sent traffic."""

    @property
    def restores(self) -> bool:
        """Whether this is a rollback that only sends traffic back to blue instances."""
        return bool(self.document.get("lab:restore"))

    def setting(self, name: str) -> Any:
        """What the deployment says, else its group."""
        given = self.document.get(name)
        return self.group.document.get(name) if given is None else given


def revision_key(revision: Mapping[str, Any]) -> str:
    """What makes two revisions the same one."""
    return json.dumps(revision, sort_keys=True)
