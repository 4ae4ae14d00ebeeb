"""Filters of Describe calls: names, and values with the wildcards `*` and `?`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from deployer.lab.ec2.errors import ApiError, invalid_value

Thing = TypeVar("Thing")
Field = Callable[[Thing], str | Iterable[str] | None]
"""Reads what a filter compares with; several values match when one of them does."""


@dataclass(frozen=True)
class Filter:
    """One filter: any of the values."""

    name: str
    patterns: tuple[re.Pattern[str], ...]

    def admits(self, values: Iterable[str]) -> bool:
        """Whether one of `values` matches one of the patterns."""
        return any(pattern.fullmatch(value) for value in values for pattern in self.patterns)


def pattern(text: str) -> re.Pattern[str]:
    r"""What a filter value matches: `*` any characters, `?` one; a backslash takes either literally."""
    out, escaped = [], False
    for char in text:
        if escaped:
            out.append(re.escape(char))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            out.append({"*": ".*", "?": "."}.get(char, re.escape(char)))
    return re.compile("".join(out), re.DOTALL)


def parse(given: Sequence[Mapping[str, Any]] | None) -> tuple[Filter, ...]:
    """The filters of a request. Raises InvalidParameterValue for one without a name."""
    parsed = []
    for item in given or ():
        if not item.get("Name"):
            raise ApiError("InvalidParameterValue", "The filter 'null' is invalid")
        parsed.append(Filter(item["Name"], tuple(pattern(str(v)) for v in item.get("Values") or ())))
    return tuple(parsed)


def select(
    things: Iterable[Thing],
    filters: Sequence[Filter],
    fields: Mapping[str, Field[Thing]],
    tags: Callable[[Thing], Mapping[str, str]],
) -> list[Thing]:
    """The things that every filter admits, in their order.

    Raises InvalidParameterValue for a filter that is neither a field nor one of `tag:KEY`, `tag-key`,
    `tag-value`.
    """
    for one in filters:
        if one.name not in fields and one.name not in ("tag-key", "tag-value") and not one.name.startswith("tag:"):
            raise invalid_value(f"The filter '{one.name}' is invalid")
    return [t for t in things if all(one.admits(_values(t, one.name, fields, tags)) for one in filters)]


def _values(
    thing: Thing,
    name: str,
    fields: Mapping[str, Field[Thing]],
    tags: Callable[[Thing], Mapping[str, str]],
) -> Iterable[str]:
    if name == "tag-key":
        return tags(thing).keys()
    if name == "tag-value":
        return tags(thing).values()
    if name.startswith("tag:"):
        value = tags(thing).get(name[4:])
        return () if value is None else (value,)
    found = fields[name](thing)
    if found is None:
        return ()
    return (found,) if isinstance(found, str) else found
