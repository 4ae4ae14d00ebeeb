"""The outside, as hooks know it: protocols that the backend fills in. A hook opens no connection to AWS itself.

Every method may raise an error whose text is a sentence; the hook that asked then ends with an error.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from deployer.model.outside import AlarmState, HostReply, MetricQuery, Upload

_D = TypeVar("_D")


class DoorMissing(Exception):
    """A hook needs something that this backend does not supply."""


class Publisher(Protocol):
    """Messages to a topic of SNS."""

    def publish(self, topic: str, subject: str, message: str) -> str:
        """Publishes, and returns the message's id. `topic` is an ARN."""
        ...


class Bucket(Protocol):
    """Objects in S3."""

    def keys(self, bucket: str, prefix: str) -> frozenset[str]:
        """The keys below a prefix."""
        ...

    def put(self, bucket: str, upload: Upload) -> None:
        """Writes one object."""
        ...


class Edge(Protocol):
    """A CloudFront distribution."""

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> str:
        """Invalidates paths and returns the invalidation's id; the same `reference` twice does it once."""
        ...


class Monitoring(Protocol):
    """CloudWatch."""

    def alarms(self, names: Sequence[str]) -> Mapping[str, tuple[AlarmState, str]]:
        """State and reason by alarm name; an alarm that does not exist is left out."""
        ...

    def value(self, query: MetricQuery) -> float | None:
        """The latest datapoint; None when there is none."""
        ...


class Databases(Protocol):
    """RDS."""

    def snapshot(self, database: str, name: str, tags: Mapping[str, str]) -> None:
        """Starts a snapshot of an instance, or of a cluster where there is no such instance; one that is there
        under that name already is taken as it is."""
        ...

    def snapshot_status(self, database: str, name: str) -> str:
        """RDS's word for where a snapshot stands: `creating`, `available`, `failed`."""
        ...


class HostRunner(Protocol):
    """Commands on the hosts of a fleet."""

    def run(self, instance: str, address: str, zone: str, arguments: Sequence[str], deadline: float) -> HostReply:
        """Runs a command as the one who installs releases. `deadline` is in seconds."""
        ...


@dataclass(frozen=True)
class Doors:
    """What a hook may use. A door that nobody supplied raises DoorMissing when it is opened."""

    publisher: Callable[[], Publisher] | None = None
    bucket: Callable[[], Bucket] | None = None
    edge: Callable[[], Edge] | None = None
    monitoring: Callable[[], Monitoring] | None = None
    databases: Callable[[], Databases] | None = None
    hosts: Callable[[], HostRunner] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], float] = time.monotonic
    today: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    stopping: Callable[[], bool] = lambda: False
    """Whether whoever started the rollout wants it to end at once."""

    learns: Callable[[str], None] = lambda _secret: None
    """Told of each secret before a hook gets it, so that it is masked wherever it comes up."""

    def open_publisher(self) -> Publisher:
        """SNS."""
        return _open(self.publisher, "SNS")

    def open_bucket(self) -> Bucket:
        """S3."""
        return _open(self.bucket, "S3")

    def open_edge(self) -> Edge:
        """CloudFront."""
        return _open(self.edge, "CloudFront")

    def open_monitoring(self) -> Monitoring:
        """CloudWatch."""
        return _open(self.monitoring, "CloudWatch")

    def open_databases(self) -> Databases:
        """RDS."""
        return _open(self.databases, "RDS")

    def open_hosts(self) -> HostRunner:
        """The fleet's hosts."""
        return _open(self.hosts, "the fleet's hosts")

    def secret(self, variable: str, what: str) -> str:
        """What an environment variable holds. Raises DoorMissing when it is not set."""
        found = self.environment.get(variable, "")
        if not found:
            raise DoorMissing(
                f"the variable {variable}, which holds {what}, is not set; set it where deployer runs"
            )
        self.learns(found)
        return found


def _open(door: Callable[[], _D] | None, name: str) -> _D:
    if door is None:
        raise DoorMissing(f"this backend has no way to {name}")
    return door()
