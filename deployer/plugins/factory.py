"""Makes plugins: the one way from a name and settings to a strategy, hook or gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployer.config.document import Problem
from deployer.config.positions import Path as KeyPath
from deployer.config.written import printable, written
from deployer.plugins.blueprint import SETTINGS, Blueprint, blueprint_of, read_settings
from deployer.plugins.family import STRATEGY, Family, is_ours, is_path
from deployer.plugins.faults import PluginRefused
from deployer.plugins.loader import NotFound, find_plugin

AMOUNTS = ("batch", "steps")
"""Settings of a rollout that are handed to a strategy which declares them as tuples of amounts."""


@dataclass(frozen=True)
class Use:
    """One use of a plugin in a fleet's settings.

    `key` is the table that names it, below the fleet's own, and `named_by` the key in it that does. `handed` are
    fields that do not come from its own settings.
    """

    family: Family
    name: str
    settings: Mapping[str, object]
    key: KeyPath
    named_by: str
    handed: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether it came with deployer, so that making it runs nobody else's code."""
        point = None if is_path(self.name) else self.family.point(self.name)
        return point is not None and is_ours(point)

    def wrong(self, rest: str) -> Problem:
        """A problem with what is named."""
        return Problem((self.named_by,), rest)


def make(use: Use, folder: Path) -> Any:
    """The plugin, with its settings typed as its fields are. Raises PluginRefused with all that is wrong."""
    plugin = _class_of(use, folder)
    whole = _blueprint(use, plugin)
    values, handed, problems = read_use(use, whole, folder)
    if problems:
        raise _refused(use, problems)
    try:
        return plugin(**handed, **values)
    except Exception as error:  # whatever its __post_init__ raises is its refusal
        raise _refused(use, [_refusal(use, error)]) from error


def read_use(
    use: Use, blueprint: Blueprint, folder: Path
) -> tuple[Mapping[str, object], Mapping[str, object], list[Problem]]:
    """The values from a plugin's settings, those that are handed to it, and everything that is wrong with both."""
    own, handed = fitted(use, blueprint)
    wrong = misplaced(use, blueprint)
    elsewhere = {problem.key[-1] for problem in wrong if problem.key}
    settings = {name: value for name, value in use.settings.items() if name not in elsewhere}
    values, problems = read_settings(own, settings, folder)
    return values, handed, [*wrong, *problems]


def problems_in(uses: Iterable[Use], folder: Path) -> list[Problem]:
    """What is wrong with these plugins, with keys that begin at the fleet's table. Makes each of them."""
    found: list[Problem] = []
    for use in uses:
        try:
            make(use, folder)
        except PluginRefused as refused:
            found += below(use, refused.problems)
    return found


def below(use: Use, problems: Iterable[Problem]) -> list[Problem]:
    """The problems of one use, as the fleet has them."""
    return [problem.below(use.key) for problem in problems]


def fitted(use: Use, blueprint: Blueprint) -> tuple[Blueprint, Mapping[str, object]]:
    """The fields that are left for the plugin's own settings, and the values of the others.

    Where a strategy declares `batch` or `steps` as amounts they are the rollout's, and have no other place.
    """
    if use.family is not STRATEGY:
        return blueprint.without(use.handed), use.handed
    shared = [name for name in AMOUNTS if blueprint.takes_amounts(name)]
    return blueprint.without(shared), {name: use.handed[name] for name in shared if use.handed.get(name)}


def misplaced(use: Use, blueprint: Blueprint) -> list[Problem]:
    """What is wrong about `batch` and `steps` of a strategy: said in its own settings, or not said at all."""
    shared = [name for name in AMOUNTS if blueprint.takes_amounts(name)] if use.family is STRATEGY else []
    up = "belongs one level up: it is a setting of the rollout, which hands it to the strategy"
    found = [Problem((SETTINGS, name), up) for name in shared if name in use.settings]
    for name in shared:
        one = blueprint.named(name)
        if one is not None and one.required and not use.handed.get(name):
            found.append(Problem((), f"has no {name}, which strategy {use.name} needs"))
    return found


def _class_of(use: Use, folder: Path) -> type[Any]:
    family = use.family
    try:
        plugin = find_plugin(family, use.name, folder)
    except NotFound as missing:
        raise _refused(use, [use.wrong(str(missing))]) from missing
    if not dataclasses.is_dataclass(plugin):
        raise _refused(use, [use.wrong(f"is {written(use.name)}, which is not a dataclass")])
    if not callable(getattr(plugin, family.method, None)):
        reason = f"is {written(use.name)}, which is no {family.word}: it has no method `{family.method}`"
        raise _refused(use, [use.wrong(reason + family.elsewhere)])
    return plugin


def _blueprint(use: Use, plugin: type[Any]) -> Blueprint:
    try:
        return blueprint_of(plugin)
    except Exception as error:  # annotations are code, and a name in them may be known to type checkers alone
        reason = f"is {written(use.name)}, whose annotations cannot be read: {printable(str(error))}"
        raise _refused(use, [use.wrong(reason)]) from error


def _refusal(use: Use, error: Exception) -> Problem:
    """What a plugin says of its settings: of one of them by name, or of all."""
    said = printable(str(error)) or type(error).__name__
    name, _, rest = said.partition(" ")
    if name in use.settings and rest:
        return Problem((SETTINGS, name), rest, by_plugin=True)
    return Problem(
        (SETTINGS,) if use.settings else (use.named_by,), f"is refused by {use.name}: {said}", by_plugin=True
    )


def _refused(use: Use, problems: list[Problem]) -> PluginRefused:
    return PluginRefused(f"{use.family.word} {use.name}", problems)
