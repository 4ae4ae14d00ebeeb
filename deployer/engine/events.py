"""What a rollout tells those who watch it: the views, the log, the report. One frozen value an event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from deployer.model.moves import Move
from deployer.model.observation import Observation, Stance


@dataclass(frozen=True)
class Started:
    """A rollout begins or goes on (`resumed`)."""

    rollout: str
    fleet: str
    strategy: str
    method: str
    release_from: str
    release_to: str
    resumed: bool = False


@dataclass(frozen=True)
class Looked:
    """A tick's observation, and what strategies and guard made of it.

    `waits` gives, slot or instance by slot or instance, the reason for which it is not going on.
    """

    seen: Observation
    waits: tuple[tuple[str, str, float | None], ...]
    in_service: int


@dataclass(frozen=True)
class Acted:
    """A move was carried out (`error` is empty), or not."""

    move: Move
    text: str
    error: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Refused:
    """The guard refused a move, with the inequality that refused it."""

    move: Move
    promise: int
    because: str


@dataclass(frozen=True)
class Completed:
    """A slot is done: `seconds` from its first move to the end of its soak."""

    slot: str
    instance: str
    seconds: float


@dataclass(frozen=True)
class Failed:
    """An instance was given up on; `evidence` is its application's log and console, bounded."""

    instance: str
    reason: str
    evidence: str = ""


@dataclass(frozen=True)
class Turned:
    """The rollout's stance changed: settling, freezing, rolling back."""

    stance: Stance
    reason: str
    rolling_back: bool = False


@dataclass(frozen=True)
class Baking:
    """A step of the bake began, by name (`builder launched`, `release installed`, `snapshot 40 %`, …)."""

    step: str
    detail: str = ""


@dataclass(frozen=True)
class Noted:
    """A warning or a remark for the user."""

    text: str
    warning: bool = False


Event: TypeAlias = Started | Looked | Acted | Refused | Completed | Failed | Turned | Baking | Noted
"""The closed union of events."""

Watch: TypeAlias = Callable[[Event], None]
"""Gets every event, in order, in the engine's thread. It must be quick and must not raise."""
