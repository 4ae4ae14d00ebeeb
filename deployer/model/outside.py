"""Values that pass between hooks and the doors to the outside: neither knows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


@dataclass(frozen=True)
class Upload:
    """One file for a bucket, with the headers that it is served with."""

    key: str
    path: Path
    content_type: str
    cache_control: str


class AlarmState(Enum):
    """States of a CloudWatch alarm, by AWS's names."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT = "INSUFFICIENT_DATA"


@dataclass(frozen=True)
class MetricQuery:
    """One statistic of one CloudWatch metric over the last `period` seconds."""

    namespace: str
    metric: str
    statistic: str
    period: int
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HostReply:
    """What a command on a host came to: its exit status, None when nobody saw how it ended."""

    status: int | None
    output: str
