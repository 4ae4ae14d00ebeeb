"""Finds a strategy by name: built in or of a third party by entry point, or the repository's own by path."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from deployer.config.durations import parse_duration
from deployer.config.rollout import RolloutSettings
from deployer.engine.loop import Decides
from deployer.model.capacity import Amount
from deployer.model.errors import UsageError

GROUP = "deployer.strategies"


def known() -> tuple[str, ...]:
    """The names of all strategies that are installed."""
    return tuple(sorted(entry_points(group=GROUP).names))


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
    kind = _own(name, folder) if ".py:" in name else _installed(name)
    return _build(name, kind, recipe)


def _installed(name: str) -> type[Any]:
    found: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        close = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"there is no strategy {name!r}; {hint}known are {', '.join(sorted(found))}, "
            "or give a file of your own as path/to/file.py:Class"
        )
    loaded: type[Any] = found[name].load()
    return loaded


def _own(where: str, folder: Path) -> type[Any]:
    place, _, class_name = where.rpartition(":")
    path = (folder / Path(place).expanduser()).resolve()
    if not path.is_file():
        raise UsageError(f"strategy {where!r}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"deployer_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"strategy {where!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses with postponed annotations look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything; it is told as theirs
        raise UsageError(f"strategy {where!r}: {path} could not be loaded: {error}") from error
    kind = getattr(module, class_name, None)
    if not isinstance(kind, type):
        raise UsageError(f"strategy {where!r}: {path} has no class {class_name}")
    return kind


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
