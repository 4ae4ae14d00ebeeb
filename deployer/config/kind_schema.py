"""JSON Schema of each kind of setting: what its `read` takes, as far as a schema can say it.

Two things it cannot: that a duration as text has a least value, and that `1.0` is no whole number, which JSON does
not tell from `1`. Patterns are those of ECMA 262, which JSON Schema names, and anchored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deployer.config import kinds, plugin_kinds

Schema = dict[str, Any]

PLUGIN_PATH = r"^[^\x00-\x1f\x7f]+\.py:[A-Za-z_][A-Za-z0-9_]*$"
_PART = r"[0-9]{1,7}(\.[0-9]{1,3})?(ms|s|m|h|d)"
_DURATION = rf"^\s*([0-9]{{1,9}}(\.[0-9]{{1,3}})?|({_PART})+)\s*$"
_AMOUNT = r"^\s*([0-9]{1,6}|(0?[0-9]{1,2}|100)%)\s*$"
_SOME = r"^\s*(?!0+%?\s*$)([0-9]{1,6}|(0?[0-9]{1,2}|100)%)\s*$"
# Words as a shell has them, each quote closed and nothing escaped at the end; at least one.
_COMMAND = r"""^(?=[\s\S]*[^ \t\r\n])([^'"\\]|\\[\s\S]|'[^']*'|"([^"\\]|\\[\s\S])*")*$"""


def kind_schema(kind: object) -> Schema:
    """The schema of a kind. Raises TypeError for one that is not known here."""
    make = _SCHEMAS.get(type(kind))
    if make is None:
        raise TypeError(f"no JSON Schema for {kind!r}")
    return make(kind)


def _text(kind: kinds.Text) -> Schema:
    return {"type": "string", "pattern": f"^(?:{kind.pattern})$"}


def _count(kind: kinds.Count) -> Schema:
    return {"type": "integer", "minimum": kind.least, "maximum": kind.most}


def _duration(kind: kinds.Duration) -> Schema:
    number = {"type": "number", "minimum": kind.least, "exclusiveMaximum": 1e9}
    return {"anyOf": [number, {"type": "string", "pattern": _DURATION}]}


def _share(kind: kinds.Share) -> Schema:
    number = {"type": "integer", "minimum": 0 if kind.zero else 1, "maximum": 999_999}
    return {"anyOf": [number, {"type": "string", "pattern": _AMOUNT if kind.zero else _SOME}]}


def _choice(kind: kinds.Choice[Any]) -> Schema:
    return {"enum": [member.value for member in kind.among or kind.of]}


def _plugin(kind: kinds.Plugin) -> Schema:
    return {"anyOf": [{"enum": sorted(kind.names())}, {"type": "string", "pattern": PLUGIN_PATH}]}


def _command(_kind: kinds.Command) -> Schema:
    words = {"type": "array", "items": kind_schema(kinds.Text()), "minItems": 1}
    return {"anyOf": [{"type": "string", "pattern": _COMMAND}, words]}


def _list(item: Schema, *, least: int = 0, alone: bool = False) -> Schema:
    many: Schema = {"type": "array", "items": item, **({"minItems": least} if least else {})}
    return {"anyOf": [item, many]} if alone else many


def _several(kind: plugin_kinds.Several) -> Schema:
    return _list(kind_schema(kind.item), least=kind.least, alone=True)


def _table(item: Schema | None = None, *, least: int = 0) -> Schema:
    return {
        "type": "object",
        **({"additionalProperties": item} if item is not None else {}),
        **({"minProperties": least} if least else {}),
    }


_SCHEMAS: Mapping[type, Callable[[Any], Schema]] = {
    kinds.Text: _text,
    kinds.Flag: lambda _: {"type": "boolean"},
    kinds.Count: _count,
    kinds.Duration: _duration,
    kinds.Share: _share,
    kinds.Shares: lambda kind: _list(kind_schema(kind.of), least=1, alone=True),
    kinds.Choice: _choice,
    kinds.Plugin: _plugin,
    kinds.Texts: lambda kind: _list(kind_schema(kind.item)),
    kinds.Tags: lambda _: _table(kind_schema(kinds.Text()), least=1),
    kinds.Table: lambda _: _table(),
    kinds.Command: _command,
    kinds.File: lambda _: {"type": "string", "pattern": r"^[^\x00]+$"},
    plugin_kinds.Words: lambda _: {"type": "string"},
    plugin_kinds.Whole: lambda _: {"type": "integer"},
    plugin_kinds.Number: lambda _: {"anyOf": [{"type": "number"}, {"type": "string", "pattern": _DURATION}]},
    plugin_kinds.Word: lambda kind: {"enum": list(kind.among)},
    plugin_kinds.Several: _several,
    plugin_kinds.Named: lambda kind: _table(kind_schema(kind.item)),
    plugin_kinds.Free: lambda _: _table(),
}
