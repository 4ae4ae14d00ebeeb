"""Finds and makes plugins: built in, of a third party by entry point, or the repository's own by path.

A plugin is a dataclass; its fields are the settings that it takes.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import sys
import typing
from collections.abc import Mapping
from enum import Enum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from deployer.config.durations import parse_duration
from deployer.model.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of plugin: its word in messages, its entry-point group, and those that need no entry point."""

    word: str
    group: str
    built_in: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """Those that are installed."""
        return tuple(sorted({*self.built_in, *entry_points(group=self.group).names}))


def find_plugin(kind: Kind, name: str, folder: Path) -> type[Any]:
    """The class of that name; `path/to/file.py:Class` is read relative to `folder`. Raises UsageError."""
    return _own(kind, name, folder) if ".py:" in name else _installed(kind, name)


def _installed(kind: Kind, name: str) -> type[Any]:
    if name in kind.built_in:
        module, _, class_name = kind.built_in[name].partition(":")
        ours: type[Any] = getattr(importlib.import_module(module), class_name)
        return ours
    found: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=kind.group)}
    if name not in found:
        close = difflib.get_close_matches(name, kind.names(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"there is no {kind.word} {name!r}; {hint}known are {', '.join(kind.names())}, "
            "or give a file of your own as path/to/file.py:Class"
        )
    loaded: type[Any] = found[name].load()
    return loaded


def _own(kind: Kind, where: str, folder: Path) -> type[Any]:
    place, _, class_name = where.rpartition(":")
    path = (folder / Path(place).expanduser()).resolve()
    if not path.is_file():
        raise UsageError(f"{kind.word} {where!r}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"deployer_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{kind.word} {where!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses with postponed annotations look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything; it is told as theirs
        raise UsageError(f"{kind.word} {where!r}: {path} could not be loaded: {error}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise UsageError(f"{kind.word} {where!r}: {path} has no class {class_name}")
    return found


def make_plugin(kind: Kind, name: str, plugin: type[Any], settings: Mapping[str, object]) -> Any:
    """The plugin with its settings. Raises UsageError for settings that it does not have or refuses."""
    if not dataclasses.is_dataclass(plugin):
        raise UsageError(f"{kind.word} {name!r} is not a dataclass")
    types = typing.get_type_hints(plugin)
    known = [f.name for f in dataclasses.fields(plugin)]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        has = ", ".join(sorted(known)) or "none"
        raise UsageError(f"{kind.word} {name!r} has no setting {unknown[0]!r}; it has {has}")
    try:
        return plugin(**{key: _converted(key, types[key], value) for key, value in settings.items()})
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind.word} {name!r} refuses its settings: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    """What Python says of a missing argument, as a sentence about settings."""
    text = str(error)
    if "missing" in text and "argument" in text:
        return "has no " + text.partition(": ")[2]
    return text


def _converted(key: str, declared: Any, value: object) -> object:
    """A TOML value as the field wants it. Raises ValueError for one of another kind."""
    if declared is float and isinstance(value, str | int):
        return _seconds(key, value)
    if isinstance(declared, type) and issubclass(declared, Enum):
        return _member(key, declared, value)
    origin = typing.get_origin(declared)
    if origin is tuple:
        items = value if isinstance(value, list) else [value]
        item = typing.get_args(declared)[0]
        return tuple(_converted(key, item, one) for one in items)
    wanted = declared if isinstance(declared, type) else origin if isinstance(origin, type) else None
    if wanted in (str, int, bool, float) and (type(value) is not wanted):
        raise ValueError(f"{key} is {value!r}; expected {_WORDS[wanted]}")
    return value


_WORDS: Mapping[Any, str] = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}


def _seconds(key: str, value: str | int) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f'{key} is {value!r}; expected a number, or a duration such as "30s"') from error


def _member(key: str, of: type[Enum], value: object) -> Enum:
    for member in of:
        if member.value == value:
            return member
    raise ValueError(f"{key} is {value!r}; expected one of {', '.join(str(member.value) for member in of)}")
