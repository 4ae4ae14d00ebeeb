"""Kinds of setting: how each is read from TOML and from text, and how the reference describes it.

A kind raises `Unfit` for a value that is not of it; the reader turns that into a sentence with file, line and key.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from deployer.config.durations import parse_duration
from deployer.config.nearest import did_you_mean
from deployer.model.capacity import Amount
from deployer.model.errors import UsageError

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=Enum)


class Unfit(ValueError):
    """The value is not of its kind. The text, if any, is the rest of a sentence about it: `is 0%, but …`."""


class Kind(Protocol[T_co]):
    """One kind of setting."""

    @property
    def expected(self) -> str:
        """What a value looks like, as the end of `expected …`."""
        ...

    def read(self, value: object) -> T_co:
        """The setting from a TOML value. Raises Unfit."""
        ...

    def parse(self, text: str) -> T_co:
        """The setting from the command line or the environment. Raises Unfit."""
        ...


@dataclass(frozen=True)
class Text:
    """Some text; `pattern` restricts it."""

    expected: str = "a text"
    pattern: str = r"[^\x00-\x1f\x7f]+"

    def read(self, value: object) -> str:
        """See `Kind`."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise Unfit
        return value

    parse = read


@dataclass(frozen=True)
class Flag:
    """true or false."""

    expected: str = "true or false"

    def read(self, value: object) -> bool:
        """See `Kind`."""
        if not isinstance(value, bool):
            raise Unfit
        return value

    def parse(self, text: str) -> bool:
        """See `Kind`; `1`, `yes` and `on` count too, as is usual in environments."""
        match text.strip().lower():
            case "true" | "1" | "yes" | "on":
                return True
            case "false" | "0" | "no" | "off":
                return False
            case _:
                raise Unfit


@dataclass(frozen=True)
class Count:
    """A whole number from `least` to `most`."""

    least: int = 0
    most: int = 1_000_000

    @property
    def expected(self) -> str:
        """See `Kind`."""
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: object) -> int:
        """See `Kind`."""
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise Unfit
        return value

    def parse(self, text: str) -> int:
        """See `Kind`."""
        if not re.fullmatch(r"-?[0-9]{1,9}", text.strip()):
            raise Unfit
        return self.read(int(text))


@dataclass(frozen=True)
class Duration:
    """A duration in seconds, `least` or longer."""

    expected: str = 'a duration such as "30s", "5m" or "1h"'
    least: float = 0.0

    def read(self, value: object) -> float:
        """See `Kind`."""
        if not isinstance(value, str | int | float):
            raise Unfit
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            raise Unfit from error
        if seconds < self.least:
            raise Unfit
        return seconds

    parse = read


@dataclass(frozen=True)
class Share:
    """A number of instances: a count, or a percentage of the fleet."""

    zero: bool = True
    expected: str = 'a count such as 2 or a percentage such as "25%"'

    def read(self, value: object) -> Amount:
        """See `Kind`."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Unfit
        try:
            return Amount.parse(value, what="", zero=self.zero)
        except UsageError as error:
            raise Unfit(str(error).strip()) from error

    parse = read


@dataclass(frozen=True)
class Shares:
    """One amount or several, in their order; in text they are separated by commas."""

    of: Share = field(default_factory=Share)

    @property
    def expected(self) -> str:
        """See `Kind`."""
        return f'{self.of.expected}, or several such as [1, "10%", "50%"]'

    def read(self, value: object) -> tuple[Amount, ...]:
        """See `Kind`."""
        values = value if isinstance(value, list) else [value]
        if not values:
            raise Unfit
        return tuple(self.of.read(item) for item in values)

    def parse(self, text: str) -> tuple[Amount, ...]:
        """See `Kind`."""
        return tuple(self.of.parse(item) for item in text.split(","))


@dataclass(frozen=True)
class Choice(Generic[E]):
    """One of the values of an enum; of those in `among`, where it is not all of them."""

    of: type[E]
    among: tuple[E, ...] = ()

    @property
    def expected(self) -> str:
        """See `Kind`."""
        return "one of " + ", ".join(f'"{member.value}"' for member in self.among or self.of)

    def read(self, value: object) -> E:
        """See `Kind`."""
        for member in self.among or self.of:
            if member.value == value:
                return member
        raise Unfit

    def parse(self, text: str) -> E:
        """See `Kind`."""
        return self.read(text.strip())


def installed(group: str) -> Callable[[], Iterable[str]]:
    """The names that installed packages give in an entry-point group, looked up when they are needed."""
    return lambda: {point.name for point in points_of(group)}


@cache
def points_of(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group. Every installed package is read for it, so once in a process is enough."""
    return tuple(entry_points(group=group))


@dataclass(frozen=True)
class Plugin:
    """The name of a plugin, or `path/to/file.py:Class` in the user's repository; `names` are those installed."""

    names: Callable[[], Iterable[str]]
    expected: str = "the name of a plugin, or path/to/file.py:Class"

    def read(self, value: object) -> str:
        """See `Kind`."""
        if not isinstance(value, str):
            raise Unfit
        known = sorted(self.names())
        if value not in known and not re.fullmatch(r"[^\x00-\x1f\x7f]+\.py:[A-Za-z_][A-Za-z0-9_]*", value):
            guess = did_you_mean(value, known)
            listed = "" if guess.startswith("; known") else f" Known: {', '.join(known)}"
            raise Unfit(f"is {value!a}, which is not installed{guess}{listed}")
        return value

    parse = read


@dataclass(frozen=True)
class Texts:
    """A list of texts; in text they are separated by commas."""

    expected: str = 'a list of texts such as ["shop-web"]'
    item: Text = field(default_factory=Text)

    def read(self, value: object) -> tuple[str, ...]:
        """See `Kind`."""
        if not isinstance(value, list):
            raise Unfit
        return tuple(self.item.read(item) for item in value)

    def parse(self, text: str) -> tuple[str, ...]:
        """See `Kind`."""
        return tuple(self.item.read(item.strip()) for item in text.split(",") if item.strip())


@dataclass(frozen=True)
class Tags:
    """A table of texts by name."""

    expected: str = 'a table of texts such as { Service = "shop" }'

    def read(self, value: object) -> Mapping[str, str]:
        """See `Kind`."""
        if not isinstance(value, dict) or not value:
            raise Unfit
        return {str(name): Text().read(text) for name, text in value.items()}

    def parse(self, text: str) -> Mapping[str, str]:
        """See `Kind`; `Service=shop,Role=web`."""
        pairs = [item.partition("=") for item in text.split(",")]
        if not all(sign for _, sign, _ in pairs):
            raise Unfit
        return {name.strip(): value.strip() for name, _, value in pairs}


@dataclass(frozen=True)
class Table:
    """A table that somebody else reads: a plugin's own settings."""

    expected: str = "a table"

    def read(self, value: object) -> Mapping[str, object]:
        """See `Kind`."""
        if not isinstance(value, dict):
            raise Unfit
        return dict(value)

    def parse(self, text: str) -> Mapping[str, object]:
        """See `Kind`; a table has no form on the command line."""
        raise Unfit(f"is {text!r}; expected a table, which only the file can hold")


@dataclass(frozen=True)
class Command:
    """A command as a list, or as one text that is split as a shell would, but never given to one."""

    expected: str = 'a command such as "./migrate.sh --yes" or ["./migrate.sh", "--yes"]'

    def read(self, value: object) -> tuple[str, ...]:
        """See `Kind`."""
        if isinstance(value, list):
            words = tuple(Text().read(item) for item in value)
        elif isinstance(value, str):
            words = self._split(value)
        else:
            raise Unfit
        if not words:
            raise Unfit
        return words

    def _split(self, text: str) -> tuple[str, ...]:
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise Unfit from error

    parse = read


@dataclass(frozen=True)
class File:
    """A path; `~` is the user's home, and a relative one is relative to the settings' folder."""

    expected: str = "a path"

    def read(self, value: object) -> Path:
        """See `Kind`."""
        if not isinstance(value, str) or not value or "\0" in value:
            raise Unfit
        return Path(value).expanduser()

    parse = read
