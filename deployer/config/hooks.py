"""Hooks as settings: `[[fleet.NAME.hooks]]`. Durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from deployer.config.kinds import Choice, Command, Count, Duration, Flag, Table, Text
from deployer.config.setting import NAME, setting


class HookPoint(Enum):
    """When a hook runs."""

    BEFORE_ROLLOUT = "before-rollout"
    AFTER_ROLLOUT = "after-rollout"
    ON_FAILURE = "on-failure"
    ON_ROLLBACK = "on-rollback"
    BEFORE_BAKE = "before-bake"
    AFTER_BAKE = "after-bake"
    BEFORE_STEP = "before-step"
    AFTER_STEP = "after-step"
    BEFORE_DRAIN = "before-drain"
    AFTER_DRAIN = "after-drain"
    BEFORE_ATTACH = "before-attach"
    AFTER_ATTACH = "after-attach"
    AFTER_INSTANCE = "after-instance"


class HookFailure(Enum):
    """What a hook's failure means."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True)
class HookSettings:
    """One hook: exactly one of `run`, `url` and `use` says what it is."""

    at: HookPoint = field(metadata=setting(Choice(HookPoint), "When it runs."))
    name: str | None = field(default=None, metadata=setting(NAME, "What it is called in logs."))
    run: tuple[str, ...] = field(default=(), metadata=setting(Command(), "A command on this machine."))
    url: str | None = field(
        default=None,
        metadata=setting(Text("an http or https address", r"https?://[^\s\x00-\x1f]+"), "A webhook's address."),
    )
    use: str | None = field(
        default=None, metadata=setting(Text(), "A plugin by name, or `path.py:Class` in the repository.")
    )
    settings: Mapping[str, object] = field(
        default_factory=dict, metadata=setting(Table(), "The plugin's own settings.")
    )
    timeout: float = field(
        default=300.0, metadata=setting(Duration(), "Longest time; then its process group is killed.")
    )
    retries: int = field(default=0, metadata=setting(Count(0, 100), "How often it is tried again."))
    once: bool = field(
        default=False, metadata=setting(Flag(), "Run once a rollout, across a crash and resume too.")
    )
    on_failure: HookFailure = field(
        default=HookFailure.FAIL, metadata=setting(Choice(HookFailure), "What a failure means.")
    )
