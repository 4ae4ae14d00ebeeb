"""From settings to hooks and gates that can be called: made once, before anything is asked of AWS."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from deployer.backends.native.plugins import Kind, find_plugin, make_plugin
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.settings import FleetSettings
from deployer.hooks import BUILT_IN
from deployer.hooks.contract import Gate, Hook
from deployer.model.errors import UsageError
from deployer.model.occasions import Point

HOOK = Kind("hook", "deployer.hooks", BUILT_IN)
GATE = Kind("gate", "deployer.hooks", BUILT_IN)


@dataclass(frozen=True)
class FittedHook:
    """A hook with its name and its rules."""

    name: str
    hook: Hook
    rules: HookSettings

    @property
    def label(self) -> str:
        """How the journal calls it."""
        return f"hook:{self.name}"


@dataclass(frozen=True)
class FittedGate:
    """A gate with its name and its rules."""

    name: str
    gate: Gate
    rules: GateSettings

    @property
    def label(self) -> str:
        """How the journal calls it."""
        return f"gate:{self.name}"


@dataclass(frozen=True)
class Line:
    """All hooks and gates of a fleet, in the order of the settings."""

    hooks: tuple[FittedHook, ...] = ()
    gates: tuple[FittedGate, ...] = ()

    @cached_property
    def points(self) -> frozenset[Point]:
        """The points at which there are any."""
        return frozenset(one.rules.at for one in self.all)

    @cached_property
    def points_of_hooks(self) -> frozenset[Point]:
        """The points at which there are hooks."""
        return frozenset(one.rules.at for one in self.hooks)

    @property
    def all(self) -> tuple[FittedHook | FittedGate, ...]:
        """Hooks and gates."""
        return (*self.hooks, *self.gates)

    def labels_at(self, point: Point, *, gates: bool = True) -> tuple[str, ...]:
        """The labels of the hooks of a point, and of its gates."""
        return tuple(one.label for one in (self.all if gates else self.hooks) if one.rules.at is point)

    def hooks_at(self, point: Point) -> tuple[FittedHook, ...]:
        """The hooks of a point."""
        return tuple(one for one in self.hooks if one.rules.at is point)

    def gates_at(self, point: Point) -> tuple[FittedGate, ...]:
        """The gates of a point."""
        return tuple(one for one in self.gates if one.rules.at is point)

    def pins(self) -> tuple[tuple[str, str], ...]:
        """Each one's label and the digest of its settings: what a resume must agree with.

        The settings themselves stay out of the journal, since they may hold what is nobody's business.
        """
        return tuple((one.label, _digest(one.rules)) for one in self.all)


def fit_hooks(settings: FleetSettings) -> Line:
    """Makes every hook and gate of a fleet. Raises UsageError that names the one that cannot be made."""
    folder = settings.folder
    hooks = zip(_names(settings.hooks), settings.hooks, strict=True)
    gates = zip(_names(settings.gates), settings.gates, strict=True)
    try:
        return Line(
            tuple(FittedHook(name, cast("Hook", _made(HOOK, "run", one, folder)), one) for name, one in hooks),
            tuple(FittedGate(name, cast("Gate", _made(GATE, "judge", one, folder)), one) for name, one in gates),
        )
    except UsageError as error:
        raise UsageError(f"{settings.source}: fleet.{settings.name}: {error}") from error


def _names(settings: tuple[HookSettings, ...] | tuple[GateSettings, ...]) -> tuple[str, ...]:
    """A name for each: the one given, else what it is, numbered where there are several."""
    found = [one.name or _word(one) for one in settings]
    for name, number in Counter(one.name for one in settings if one.name).items():
        if number > 1:
            raise UsageError(f"{number} hooks or gates are called {name!r}; give each a name of its own")
    seen: Counter[str] = Counter()
    names = []
    for name in found:
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return tuple(names)


def _word(settings: HookSettings | GateSettings) -> str:
    if settings.use:
        return settings.use.rpartition(":")[2]
    return Path(settings.run[0]).name if settings.run else "webhook"


def _made(kind: Kind, method: str, settings: HookSettings | GateSettings, folder: Path) -> Any:
    values: Mapping[str, object] = settings.settings
    if settings.run:
        name, values = "command", {**values, "command": list(settings.run)}
    elif settings.url:
        name, values = "webhook", {**values, "url": settings.url}
    else:
        name = settings.use or ""
    plugin = find_plugin(kind, name, folder)
    if not callable(getattr(plugin, method, None)):
        other = GATE if kind is HOOK else HOOK
        raise UsageError(
            f"{name!r} is no {kind.word}: it has no method `{method}`; "
            f"a {other.word} belongs under [[fleet.NAME.{other.word}s]]"
        )
    return make_plugin(kind, name, plugin, values)


def _digest(rules: HookSettings | GateSettings) -> str:
    text = json.dumps(asdict(rules), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value)
