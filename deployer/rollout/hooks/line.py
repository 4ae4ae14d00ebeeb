"""From settings to hooks and gates that can be called: made once, before anything is asked of AWS."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import cast

from deployer.config.document import Problem
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.ownership import why_not_ours
from deployer.config.settings import FleetSettings
from deployer.hooks.contract import Gate, Hook
from deployer.model.occasions import Point
from deployer.plugins.factory import Use, below, make
from deployer.plugins.faults import PluginRefused
from deployer.plugins.uses import gate_uses, hook_uses, twins_of


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
    """Makes every hook and gate of a fleet. Raises UsageError with file, line and key of what cannot be made."""
    folder, problems = settings.folder, twins_of(settings)
    hooks = zip(_names(settings.hooks), settings.hooks, hook_uses(settings.hooks), strict=True)
    gates = zip(_names(settings.gates), settings.gates, gate_uses(settings.gates), strict=True)
    line = Line(
        tuple(FittedHook(name, cast("Hook", _made(use, folder, problems)), one) for name, one, use in hooks),
        tuple(FittedGate(name, cast("Gate", _made(use, folder, problems)), one) for name, one, use in gates),
    )
    for use in (*hook_uses(settings.hooks), *gate_uses(settings.gates)):
        problems += below(use, _not_ours(use, folder))
    if problems:
        raise settings.refusal(problems)
    return line


def _not_ours(use: Use, folder: Path) -> Iterator[Problem]:
    """Files that a command names and that somebody else could have written: the script, or an argument."""
    words = cast("Sequence[str]", use.handed.get("command", ()))
    for word in words:
        path = folder / word
        if ("/" in word or word != words[0]) and path.is_file() and (why := why_not_ours(path)) is not None:
            yield use.wrong(f"names {path}, which {why}")


def _made(use: Use, folder: Path, problems: list[Problem]) -> object:
    """The plugin; None where it cannot be made, which is added to the problems."""
    try:
        return make(use, folder)
    except PluginRefused as refused:
        problems += below(use, refused.problems)
        return None


def _names(settings: tuple[HookSettings, ...] | tuple[GateSettings, ...]) -> tuple[str, ...]:
    """A name for each: the one given, else what it is, numbered where there are several."""
    found = [one.name or _word(one) for one in settings]
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


def _digest(rules: HookSettings | GateSettings) -> str:
    text = json.dumps(asdict(rules), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value)
