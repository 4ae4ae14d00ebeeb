"""Turns a document into settings, or into one sentence that names file, line, key, what was expected and found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from deployer.config.document import Document
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.kinds import Unfit
from deployer.config.nearest import did_you_mean
from deployer.config.positions import Path as KeyPath
from deployer.config.setting import Setting, sections_of, settings_of
from deployer.config.settings import AwsSettings, FindSettings, FleetSettings, StateSettings
from deployer.model.errors import UsageError

S = TypeVar("S")
H = TypeVar("H", HookSettings, GateSettings)

_TOP = ("fleet", "state", "aws")


def read_fleets(document: Document) -> Mapping[str, FleetSettings]:
    """Every fleet of the document, by name. Raises UsageError."""
    for key in document.table:
        if key not in _TOP:
            raise document.error((key,), "is not a setting" + did_you_mean(key, _TOP))
    state = _section(document, StateSettings, ("state",), document.table.get("state", {}))
    aws = _section(document, AwsSettings, ("aws",), document.table.get("aws", {}))
    fleets = _table(document, ("fleet",), document.table.get("fleet", {}))
    if not fleets:
        raise UsageError(f"{document.path} has no fleet; expected at least one [fleet.NAME], see `deployer init`")
    return {name: _fleet(document, name, table, state, aws) for name, table in fleets.items()}


def choose_fleet(fleets: Mapping[str, FleetSettings], name: str | None, source: object) -> FleetSettings:
    """The fleet of that name, or the only one. Raises UsageError."""
    if name is None:
        if len(fleets) == 1:
            return next(iter(fleets.values()))
        raise UsageError(f"{source} has {len(fleets)} fleets ({', '.join(fleets)}); say which with --fleet")
    if name not in fleets:
        raise UsageError(f"{source} has no fleet {name!r}{did_you_mean(name, fleets)}")
    return fleets[name]


def read_text(setting: Setting, origin: str, text: str) -> Any:
    """A setting from the command line or the environment; `origin` is the option's or variable's name."""
    try:
        return setting.kind.parse(text)
    except Unfit as unfit:
        raise UsageError(f"{origin} {_rest(unfit, text, setting)}") from unfit


def _fleet(document: Document, name: str, value: object, state: StateSettings, aws: AwsSettings) -> FleetSettings:
    key: KeyPath = ("fleet", name)
    table = _table(document, key, value)
    hooks = _hung_in(document, key, table, "hooks", HookSettings)
    gates = _hung_in(document, key, table, "gates", GateSettings)
    if "find" not in table:
        raise document.error(key, f"has no find; expected how its instances are found, such as {_FIND_EXAMPLE}")
    rest = {k: v for k, v in table.items() if k not in ("hooks", "gates")}
    given = {"hooks": hooks, "gates": gates, "state": state, "aws": aws}
    fleet = _section(document, FleetSettings, key, rest, name=name, source=document.path, **given)
    _check_find(document, (*key, "find"), fleet.find)
    return fleet


_FIND_EXAMPLE = 'find = { tags = { Service = "shop" } }'


def _check_find(document: Document, key: KeyPath, find: FindSettings) -> None:
    ways = [way for way, value in (("tags", find.tags), ("asg", find.asg), ("instances", find.instances)) if value]
    if len(ways) != 1:
        found = " and ".join(ways) or "none"
        raise document.error(key, f"has {found}; expected exactly one of tags, asg and instances")


def _hung_in(
    document: Document, fleet: KeyPath, table: Mapping[str, object], name: str, of: type[H]
) -> tuple[H, ...]:
    """The hooks or the gates of a fleet."""
    values = table.get(name, [])
    key: KeyPath = (*fleet, name)
    if not isinstance(values, list):
        raise document.error(key, f"is {_shown(values)}; expected [[fleet.{fleet[1]}.{name}]] tables")
    return tuple(_one_form(document, (*key, index), value, of) for index, value in enumerate(values))


def _one_form(document: Document, key: KeyPath, value: object, of: type[H]) -> H:
    hook = _section(document, of, key, value)
    forms = [form for form, given in (("run", hook.run), ("url", hook.url), ("use", hook.use)) if given]
    if len(forms) != 1:
        raise document.error(key, f"has {' and '.join(forms) or 'none'}; expected exactly one of run, url and use")
    return hook


def _section(document: Document, of: type[S], key: KeyPath, value: object, **given: object) -> S:
    """Reads one table into its dataclass; `given` are the fields that do not come from this table."""
    table = _table(document, key, value)
    settings, sections = settings_of(of), sections_of(of)
    values: dict[str, object] = dict(given)
    for name, found in table.items():
        at = (*key, name)
        if name in sections:
            values[name] = _section(document, sections[name], at, found)
        elif name in settings:
            values[name] = _setting(document, settings[name], at, found)
        else:
            raise document.error(at, "is not a setting" + did_you_mean(name, [*settings, *sections]))
    for field in fields(of):  # type: ignore[arg-type]  # every section is a dataclass
        if field.default is MISSING and field.default_factory is MISSING and field.name not in values:
            raise document.error(key, f"has no {field.name}; expected {settings[field.name].kind.expected}")
    return of(**values)


def _setting(document: Document, setting: Setting, key: KeyPath, found: object) -> object:
    try:
        value = setting.kind.read(found)
    except Unfit as unfit:
        raise document.error(key, _rest(unfit, found, setting)) from unfit
    # A path means the same wherever a command is run: two folders would be two journals and two locks.
    return document.path.parent / value if isinstance(value, Path) else value


def _rest(unfit: Unfit, found: object, setting: Setting) -> str:
    return str(unfit) or f"is {_shown(found)}; expected {setting.kind.expected}"


def _table(document: Document, key: KeyPath, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise document.error(key, f"is {_shown(value)}; expected a table")
    return value


def _shown(value: object) -> str:
    """A value as TOML writes it, shortened; control characters escaped."""
    text = _in_toml(value)
    clean = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return clean if len(clean) <= 80 else clean[:77] + "…"


def _in_toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list():
            return "[" + ", ".join(_in_toml(item) for item in value) + "]"
        case dict():
            inner = ", ".join(f"{key} = {_in_toml(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case _:
            # Numbers, dates and times: their text is what TOML has.
            return str(value)
