"""What a plugin may say of a field beside its type.

A strategy, hook or gate is a dataclass whose fields are its settings: `soak: Seconds = 0.0`. The type alone says
what is read (`int`, `float`, `str`, `bool`, an enum, `Amount`, tuples and mappings of these); these say more. They
are in force where settings are read, and in the JSON Schema; a plugin that is made in Python checks nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from deployer.model.capacity import Amount

__all__ = [
    "Arguments",
    "Between",
    "CommandLine",
    "Duration",
    "NotEmpty",
    "NotZero",
    "Seconds",
    "SomeInstances",
]


@dataclass(frozen=True)
class Duration:
    """A time in seconds, not negative, that settings write as `"30s"`, `"5m"` or a number."""


@dataclass(frozen=True)
class NotZero:
    """An amount of at least 1, or 1 %."""


@dataclass(frozen=True)
class Between:
    """A whole number from `least` to `most`."""

    least: int
    most: int = 1_000_000


@dataclass(frozen=True)
class NotEmpty:
    """A tuple of at least one item."""


@dataclass(frozen=True)
class CommandLine:
    """A tuple of arguments, which settings may also write as one text: it is split as a shell would."""


Seconds: TypeAlias = Annotated[float, Duration()]
"""A duration in seconds."""

Arguments: TypeAlias = Annotated[tuple[str, ...], CommandLine()]
"""A command with its arguments; never empty, and never given to a shell."""

SomeInstances: TypeAlias = Annotated[Amount, NotZero()]
"""A number of instances that is not zero."""
