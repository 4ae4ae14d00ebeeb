"""Families of plugins: strategies, hooks, gates and backends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint

from deployer.config.kinds import points_of
from deployer.hooks import BUILT_IN

OURS = "deployer."
"""How the names of our own modules begin."""


@dataclass(frozen=True)
class Family:
    """One kind of plugin.

    `word` is what messages call it, `group` its entry-point group, `method` what every member has, `built_in` those
    that need no entry point, `elsewhere` what is said of a plugin that has no such method.
    """

    word: str
    group: str
    method: str
    built_in: Mapping[str, str] = field(default_factory=dict)
    elsewhere: str = ""

    def names(self) -> tuple[str, ...]:
        """Those that are installed. A hook's may be a gate's too, which only the class tells."""
        return tuple(sorted({*self.built_in, *(point.name for point in points_of(self.group))}))

    def point(self, name: str) -> EntryPoint | None:
        """Where the plugin of that name is, as an entry point; None for one that is not installed."""
        if name in self.built_in:
            return EntryPoint(name, self.built_in[name], self.group)
        return next((point for point in points_of(self.group) if point.name == name), None)


STRATEGY = Family("strategy", "deployer.strategies", "decide")
HOOK = Family("hook", "deployer.hooks", "run", BUILT_IN, "; a gate belongs under [[fleet.NAME.gates]]")
BACKEND = Family("backend", "deployer.backends", "rollout")
GATE = Family("gate", "deployer.hooks", "judge", BUILT_IN, "; a hook belongs under [[fleet.NAME.hooks]]")


def is_path(name: str) -> bool:
    """Whether a plugin is named by its file, as `path/to/file.py:Class`."""
    return ".py:" in name


def is_ours(point: EntryPoint) -> bool:
    """Whether a plugin came with deployer: its code is known, and harmless to import."""
    return point.module.startswith(OURS)
