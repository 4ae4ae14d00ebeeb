"""The JSON Schema (2020-12) of `deployer.toml`, made from the dataclasses that read it and from those of plugins.

It says of a file what `deployer check` says, as far as types, ranges and names go. What a plugin refuses by itself,
two hooks of one name, and plugins that are named by path it cannot know.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from enum import Enum
from typing import Any

from deployer.config.durations import show_duration
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.kind_schema import PLUGIN_PATH, Schema, kind_schema
from deployer.config.kinds import Duration
from deployer.config.rollout import RolloutSettings
from deployer.config.setting import Setting, sections_of, settings_of
from deployer.config.settings import AwsSettings, FindSettings, FleetSettings, StateSettings
from deployer.model.capacity import Amount
from deployer.plugins.blueprint import SETTINGS, Blueprint, PluginField, blueprint_of
from deployer.plugins.factory import AMOUNTS
from deployer.plugins.family import GATE, HOOK, STRATEGY, Family, is_ours

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_schema() -> Schema:
    """The schema of a whole file, with the plugins that are installed here."""
    return {
        "$schema": DIALECT,
        "title": "deployer.toml",
        "description": "Settings of deployer: docs/configuration.md. Made by `deployer schema`.",
        "type": "object",
        "properties": {
            "fleet": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/fleet"}},
            "state": _section(StateSettings),
            "aws": _section(AwsSettings),
        },
        "required": ["fleet"],
        "additionalProperties": False,
        "$defs": {"fleet": _fleet(), "hook": _hung_in(HOOK, HookSettings), "gate": _hung_in(GATE, GateSettings)},
    }


def _fleet() -> Schema:
    fleet = _section(FleetSettings)
    fleet["properties"]["find"]["oneOf"] = _ways_to_find()
    for family in (HOOK, GATE):
        items = {"$ref": f"#/$defs/{family.word}"}
        fleet["properties"][f"{family.word}s"] = {"type": "array", "items": items}
    fleet["properties"]["rollout"]["allOf"] = list(_strategies())
    fleet["required"] = ["find"]
    return fleet


def _ways_to_find() -> list[Schema]:
    """Exactly one way; an empty list of instances is none."""
    some = {"instances": {"minItems": 1}}
    ways = settings_of(FindSettings)
    return [{"required": [way], **({"properties": some} if way == "instances" else {})} for way in ways]


def _section(of: type) -> Schema:
    """The table of a section: its settings, the tables in it, and nothing else."""
    known = {one.name: one for one in fields(of)}
    settings = {name: _setting(known[name], setting) for name, setting in settings_of(of).items()}
    tables = {name: _section(section) for name, section in sections_of(of).items()}
    required = [name for name in settings if _default(known[name]) is MISSING]
    return {
        "type": "object",
        "description": _first_line(of),
        "properties": {**settings, **tables},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _setting(field: Field[Any], setting: Setting) -> Schema:
    return {**kind_schema(setting.kind), "description": setting.doc, **_shown_default(field, setting)}


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _shown_default(field: Field[Any], setting: Setting) -> Schema:
    """The default as a file would write it; none where it depends on other things."""
    value = _default(field)
    if isinstance(setting.kind, Duration) and isinstance(value, float):
        return {"default": show_duration(value)}
    match value:
        case bool() | int() | str():
            return {"default": value}
        case Enum():
            return {"default": value.value}
        case (Amount() as amount,):
            return {"default": str(amount)}
        case _:
            return {}


def _strategies() -> Iterator[Schema]:
    """What stands in `settings`, by strategy; where none is named the default is meant."""
    for name, plugin in _ours(STRATEGY):
        blueprint = blueprint_of(plugin)
        own = blueprint.without([one for one in AMOUNTS if blueprint.takes_amounts(one)])
        named: Schema = {"properties": {"strategy": {"const": name}}}
        if name != RolloutSettings.strategy:
            named["required"] = ["strategy"]
        yield {"if": named, "then": _settings(own, plugin)}


def _hung_in(family: Family, of: type) -> Schema:
    """A hook or gate: one of three forms, and the settings of the one that is meant."""
    table = _section(of)
    ours = dict(_ours(family))
    others = set(family.names()) - set(family.built_in)
    path = {"type": "string", "pattern": PLUGIN_PATH}
    table["properties"]["use"].pop("pattern")
    table["properties"]["use"]["anyOf"] = [{"enum": sorted({*ours, *others})}, path]
    table["oneOf"] = [{"required": [form]} for form in ("run", "url", "use")]
    table["allOf"] = [
        {"if": {"required": ["run"]}, "then": _without(ours["command"], "command")},
        {"if": {"required": ["url"]}, "then": _without(ours["webhook"], "url")},
        *(
            {
                "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
                "then": _settings(blueprint_of(plugin), plugin),
            }
            for name, plugin in ours.items()
        ),
    ]
    return table


def _without(plugin: type[Any], handed: str) -> Schema:
    return _settings(blueprint_of(plugin).without([handed]), plugin)


def _settings(blueprint: Blueprint, plugin: type[Any]) -> Schema:
    """What the table of a plugin's own settings holds."""
    readable = [one for one in blueprint.fields if one.kind is not None]
    required = [one.name for one in blueprint.fields if one.required]
    table = {
        "type": "object",
        "description": inspect.cleandoc(plugin.__doc__ or ""),
        "properties": {one.name: _field(one, plugin) for one in readable},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
    return {"properties": {SETTINGS: table}, **({"required": [SETTINGS]} if required else {})}


def _field(field: PluginField, plugin: type[Any]) -> Schema:
    default = getattr(plugin, field.name, MISSING)
    plain = default if isinstance(default, bool | int | float | str) else MISSING
    shown = default.value if isinstance(default, Enum) else plain
    return {**kind_schema(field.kind), **({"default": shown} if shown is not MISSING else {})}


def _ours(family: Family) -> Iterator[tuple[str, type[Any]]]:
    """The plugins of a family that came with deployer, by name."""
    for name in family.names():
        point = family.point(name)
        if point is not None and is_ours(point):
            plugin = point.load()
            if callable(getattr(plugin, family.method, None)):
                yield name, plugin


def _first_line(of: type) -> str:
    return (inspect.getdoc(of) or "").partition("\n")[0]
