"""From the annotation of a plugin's field to the kind of setting that it is."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from deployer.config.kinds import Choice, Command, Count, File, Flag, Kind, Share
from deployer.config.kinds import Duration as DurationKind
from deployer.config.plugin_kinds import Free, Named, Number, Several, Whole, Word, Words
from deployer.model.capacity import Amount
from deployer.model.plugin_fields import Between, CommandLine, Duration, NotEmpty, NotZero


class Unsupported(Exception):
    """No setting can be read for the annotation, which is the text."""


SUPPORTED = (
    "bool, int, float, str, Amount, Path, an Enum, a Literal of texts, tuple[X, ...], Mapping[str, X] and X | None"
)

_PLAIN: Mapping[Any, Callable[[], Kind[Any]]] = {
    bool: Flag,
    int: Whole,
    float: Number,
    str: Words,
    Amount: Share,
    Path: File,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def kind_of(annotation: Any) -> Kind[Any]:
    """The kind of setting that an annotation stands for. Raises Unsupported."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Choice(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _said(kind_of(arguments[0]), arguments[1:])
    if origin in (typing.Union, types.UnionType):
        return _optional(annotation, arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return Several(kind_of(arguments[0]))
    if origin in _MAPPINGS and len(arguments) == 2 and arguments[0] is str:
        return Free() if arguments[1] in (object, Any) else Named(kind_of(arguments[1]))
    if origin is typing.Literal and all(isinstance(word, str) for word in arguments):
        return Word(arguments)
    raise Unsupported(_named(annotation))


def _optional(annotation: Any, arguments: tuple[Any, ...]) -> Kind[Any]:
    """`X | None`: TOML has no null, so who means None leaves it out."""
    rest = [one for one in arguments if one is not type(None)]
    if len(rest) != 1:
        raise Unsupported(_named(annotation))
    return kind_of(rest[0])


def _said(kind: Kind[Any], marks: tuple[Any, ...]) -> Kind[Any]:
    """What `Annotated` says beside the type; marks of others are passed over."""
    for mark in marks:
        match mark, kind:
            case Duration(), Number():
                kind = DurationKind()
            case NotZero(), Share():
                kind = Share(zero=False)
            case Between(least=least, most=most), Whole():
                kind = Count(least, most)
            case CommandLine(), Several(item=Words()):
                kind = Command()
            case NotEmpty(), Several():
                kind = dataclasses.replace(kind, least=1)
            case _:
                pass
    return kind


def _named(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
