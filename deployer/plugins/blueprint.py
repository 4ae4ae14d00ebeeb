"""Which settings a plugin takes, and the reading of them."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.config.document import Problem
from deployer.config.kinds import Kind, Share, Unfit
from deployer.config.nearest import did_you_mean
from deployer.config.plugin_kinds import Several
from deployer.config.written import misfit
from deployer.plugins.annotations import SUPPORTED, Unsupported, kind_of

SETTINGS = "settings"
"""The key of a plugin's own settings in the table that names it."""


@dataclass(frozen=True)
class PluginField:
    """One field of a plugin.

    Without a `kind` nothing can be read for it, because its type is `annotation`; where that is empty too, nothing
    is known of its type, and any value may be right.
    """

    name: str
    kind: Kind[Any] | None
    required: bool = False
    annotation: str = ""


@dataclass(frozen=True)
class Blueprint:
    """The fields of a plugin. `complete` says that there are no others; else what is not known is let pass."""

    fields: tuple[PluginField, ...]
    complete: bool = True

    def named(self, name: str) -> PluginField | None:
        """The field of that name."""
        return next((field for field in self.fields if field.name == name), None)

    def without(self, names: Collection[str]) -> Blueprint:
        """What is left where some fields are filled from elsewhere."""
        return dataclasses.replace(self, fields=tuple(one for one in self.fields if one.name not in names))

    def takes_amounts(self, name: str) -> bool:
        """Whether the field of that name is a tuple of amounts, as `batch` and `steps` of a rollout are."""
        match self.named(name):
            case PluginField(kind=Several(item=Share())):
                return True
            case _:
                return False


def blueprint_of(plugin: type[Any]) -> Blueprint:
    """The blueprint of a dataclass. Raises TypeError for what is none, and NameError for an unknown annotation."""
    hints = typing.get_type_hints(plugin, include_extras=True)
    fields = [field for field in dataclasses.fields(plugin) if field.init]
    return Blueprint(tuple(_field(field, hints[field.name]) for field in fields))


def _field(field: dataclasses.Field[Any], annotation: Any) -> PluginField:
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    try:
        return PluginField(field.name, kind_of(annotation), required)
    except Unsupported as unsupported:
        return PluginField(field.name, None, required, str(unsupported))


def read_settings(
    blueprint: Blueprint, settings: Mapping[str, object], folder: Path
) -> tuple[Mapping[str, object], list[Problem]]:
    """The values for a plugin's fields, and everything that is wrong with them. Paths are relative to `folder`."""
    values: dict[str, object] = {}
    problems = []
    for name, found in settings.items():
        field = blueprint.named(name)
        if field is None:
            if blueprint.complete:
                problems.append(Problem((SETTINGS, name), _unknown(name, blueprint)))
        elif field.kind is None:
            if field.annotation:
                problems.append(Problem((SETTINGS, name), _unreadable(field)))
        else:
            try:
                value = field.kind.read(found)
                values[name] = folder / value if isinstance(value, Path) else value
            except Unfit as unfit:
                problems.append(Problem((SETTINGS, name), misfit(unfit, found, field.kind.expected)))
    problems += [_missing(field) for field in blueprint.fields if field.required and field.name not in settings]
    return values, problems


def _missing(field: PluginField) -> Problem:
    if field.kind is None:
        why = f", and can have none: it {_unreadable(field)}" if field.annotation else ""
        return Problem((SETTINGS,), f"has no {field.name}{why}")
    return Problem((SETTINGS,), f"has no {field.name}; expected {field.kind.expected}")


def _unknown(name: str, blueprint: Blueprint) -> str:
    names = [field.name for field in blueprint.fields]
    return "is not a setting" + (did_you_mean(name, names) if names else "; there are none")


def _unreadable(field: PluginField) -> str:
    return f"is declared as {field.annotation}, which cannot be read from settings; supported are {SUPPORTED}"
