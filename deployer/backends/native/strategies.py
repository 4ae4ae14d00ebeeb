"""Finds a strategy by name: built in or of a third party by entry point, or the repository's own by path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from deployer.backends.native.plugins import Kind, find_plugin
from deployer.config.durations import parse_duration
from deployer.config.rollout import RolloutSettings
from deployer.engine.loop import Decides
from deployer.model.capacity import Amount
from deployer.model.errors import UsageError

STRATEGY = Kind("strategy", "deployer.strategies")


def known() -> tuple[str, ...]:
    """The names of all strategies that are installed."""
    return STRATEGY.names()


def recipe_of(settings: RolloutSettings) -> dict[str, Any]:
    """What a strategy is made from, as JSON values: pinned in the plan, so that a resume makes the same one."""
    return {
        "batch": [str(amount) for amount in settings.batch],
        "steps": [str(amount) for amount in settings.steps],
        "settings": dict(settings.settings),
    }


def strategy_for(name: str, recipe: Mapping[str, Any], folder: Path) -> Decides:
    """The strategy of that name, made from a recipe.

    A name is looked up among the entry points; `path/to/file.py:Class` is read from the user's repository,
    relative to `folder`. A strategy is a dataclass: `batch` and `steps` are handed to it where it declares
    them, everything in `[fleet.NAME.rollout.settings]` by name.

    Raises UsageError for an unknown name, a file that cannot be read, and settings that it does not have.
    """
    return _build(name, find_plugin(STRATEGY, name, folder), recipe)


def _build(name: str, kind: type[Any], recipe: Mapping[str, Any]) -> Decides:
    if not dataclasses.is_dataclass(kind) or not callable(getattr(kind, "decide", None)):
        raise UsageError(f"strategy {name!r} is not a dataclass with a method `decide`")
    types = {f.name: f.type for f in dataclasses.fields(kind)}
    given: dict[str, object] = {}
    for amounts in ("batch", "steps"):
        if amounts in types and recipe.get(amounts):
            given[amounts] = tuple(Amount.parse(text, what=amounts, zero=False) for text in recipe[amounts])
    own = recipe.get("settings") or {}
    unknown = sorted(set(own) - set(types))
    if unknown:
        has = ", ".join(sorted(types)) or "none"
        raise UsageError(f"strategy {name!r} has no setting {unknown[0]!r}; it has {has}")
    try:
        given |= {key: _converted(types[key], value) for key, value in own.items()}
        return cast(Decides, kind(**given))
    except (TypeError, ValueError) as error:
        raise UsageError(f"strategy {name!r} refuses its settings: {error}") from error


def _converted(declared: object, value: object) -> object:
    """A duration such as "30s" becomes seconds where the strategy declares a float."""
    return parse_duration(value) if declared in (float, "float") and isinstance(value, str) else value
