"""Where a fleet's instances fetch their work: what decisions rest on, pinned with the plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class SourceKind(Enum):
    """What holds the work."""

    SQS = "sqs"
    AMQP = "amqp"
    """RabbitMQ, or another broker that speaks AMQP 0-9-1."""
    COMMAND = "command"
    """Whatever: only the commands on the host know."""


@dataclass(frozen=True)
class WorkSource:
    """How a worker is withdrawn and taken back, and the longest time that one of its jobs lasts, in seconds."""

    kind: SourceKind
    stop_taking: tuple[str, ...]
    take_again: tuple[str, ...]
    longest_job: float
    queues: tuple[str, ...] = ()
