"""Hooks and gates as settings: `[[fleet.NAME.hooks]]` and `[[fleet.NAME.gates]]`. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from deployer.config.kinds import Choice, Command, Count, Duration, Flag, Kind, Table, Text
from deployer.config.setting import NAME, setting
from deployer.model.occasions import Point

HOOK_POINTS = tuple(point for point in Point if point is not Point.THROUGHOUT)
GATE_POINTS = (
    Point.BEFORE_ROLLOUT,
    Point.BEFORE_STEP,
    Point.AFTER_STEP,
    Point.AFTER_INSTANCE,
    Point.THROUGHOUT,
    Point.FINAL_SOAK,
)
_ADDRESS: Kind[object] = Text("an http or https address", r"https?://[^\s\x00-\x1f]+")
_PLUGIN: Kind[object] = Text("a name, or path/to/file.py:Class")


class HookFailure(Enum):
    """What it means when a hook does not pass."""

    FAIL = "fail"
    """The rollout fails, as `on_failure` of the rollout has it; at an instance's arrival, the instance does."""
    WARN = "warn"
    """It is told, and the rollout goes on."""
    IGNORE = "ignore"
    """It is only in the journal."""


class GatePolicy(Enum):
    """What a gate's verdict other than `pass` brings about."""

    FAIL = "fail"
    """The rollout fails, as `on_failure` of the rollout has it."""
    STOP = "stop"
    """It is brought to rest where it is, and ends; nothing is rolled back."""
    PAUSE = "pause"
    """It is brought to rest where it is, and can be resumed."""
    PASS = "pass"
    """It goes on, with a warning."""


@dataclass(frozen=True)
class HookSettings:
    """One hook: exactly one of `run`, `url` and `use` says what it is."""

    at: Point = field(metadata=setting(Choice(Point, HOOK_POINTS), "When it runs."))
    name: str | None = field(default=None, metadata=setting(NAME, "What it is called in logs."))
    run: tuple[str, ...] = field(default=(), metadata=setting(Command(), "A command on this machine."))
    url: str | None = field(default=None, metadata=setting(_ADDRESS, "A webhook's address."))
    use: str | None = field(
        default=None, metadata=setting(_PLUGIN, "A hook by name, or `path.py:Class` in the repository.")
    )
    settings: Mapping[str, object] = field(
        default_factory=dict, metadata=setting(Table(), "The hook's own settings.")
    )
    timeout: float = field(
        default=300.0, metadata=setting(Duration(), "Longest time; then its process group is killed.")
    )
    retries: int = field(default=0, metadata=setting(Count(0, 100), "How often it is tried again."))
    once: bool = field(
        default=False, metadata=setting(Flag(), "Run once a rollout, across a crash and resume too.")
    )
    check: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            Command(),
            "After a crash in a `once` hook: a command that tells whether it did its work (0) or not (1).",
        ),
    )
    on_failure: HookFailure = field(
        default=HookFailure.FAIL, metadata=setting(Choice(HookFailure), "What it means when it does not pass.")
    )


@dataclass(frozen=True)
class GateSettings:
    """One gate: exactly one of `run`, `url` and `use` says what it is."""

    at: Point = field(metadata=setting(Choice(Point, GATE_POINTS), "When it is asked."))
    name: str | None = field(default=None, metadata=setting(NAME, "What it is called in logs."))
    run: tuple[str, ...] = field(
        default=(), metadata=setting(Command(), "A command on this machine, which judges by its status.")
    )
    url: str | None = field(default=None, metadata=setting(_ADDRESS, "A webhook that answers with a verdict."))
    use: str | None = field(
        default=None, metadata=setting(_PLUGIN, "A gate by name, or `path.py:Class` in the repository.")
    )
    settings: Mapping[str, object] = field(
        default_factory=dict, metadata=setting(Table(), "The gate's own settings.")
    )
    timeout: float = field(default=30.0, metadata=setting(Duration(), "Longest time for one look."))
    interval: float = field(default=15.0, metadata=setting(Duration(), "Time between two looks."))
    deadline: float = field(
        default=3600.0,
        metadata=setting(Duration(), "How long a pending gate is asked again; then it is inconclusive."),
    )
    on_failure: GatePolicy = field(
        default=GatePolicy.FAIL, metadata=setting(Choice(GatePolicy), "What it means when it says fail.")
    )
    on_error: GatePolicy = field(
        default=GatePolicy.STOP, metadata=setting(Choice(GatePolicy), "What it means when it cannot be asked.")
    )
    on_inconclusive: GatePolicy = field(
        default=GatePolicy.PAUSE, metadata=setting(Choice(GatePolicy), "What it means when it does not conclude.")
    )
