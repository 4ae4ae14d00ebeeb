"""How a command on a host ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Done:
    """It ended with 0."""

    output: bytes
    """Standard output, bounded."""


@dataclass(frozen=True)
class Failed:
    """It ended with another status; `tail` is the end of what it said, standard error included."""

    exit: int
    tail: str


@dataclass(frozen=True)
class Unknown:
    """It may have begun, and nobody saw how it ended."""

    reason: str


CommandOutcome: TypeAlias = Done | Failed | Unknown
