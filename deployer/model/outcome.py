"""How a call to the outside ended. Vendor exceptions become these at the doors and never leak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Done(Generic[T_co]):
    """It was done; `value` is what came back."""

    value: T_co
    request_id: str = ""


@dataclass(frozen=True)
class Temporary:
    """It was not done, and may succeed later: throttling, lag, capacity. `delay` is in seconds."""

    reason: str
    delay: float = 1.0
    code: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Permanent:
    """It was not done and will not be: repeating is useless."""

    reason: str
    code: str = ""
    request_id: str = ""
    denied: bool = False
    """Whether the credentials lack the right to it (fault 23)."""


@dataclass(frozen=True)
class Unknown:
    """It may or may not have been done: the answer was lost. Look before doing it again."""

    reason: str


Outcome: TypeAlias = Done[T_co] | Temporary | Permanent | Unknown
