"""Kinds of the fields of plugins, beside those of our own settings: wider, since they know only a type."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.config.durations import parse_duration
from deployer.config.kinds import Kind, Unfit


@dataclass(frozen=True)
class Words:
    """Any text, the empty one and one of several lines among them."""

    expected: str = "a text"

    def read(self, value: object) -> str:
        """See `Kind`."""
        if not isinstance(value, str):
            raise Unfit
        return value

    parse = read


@dataclass(frozen=True)
class Whole:
    """A whole number of any size."""

    expected: str = "a whole number"

    def read(self, value: object) -> int:
        """See `Kind`."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit
        return value

    def parse(self, text: str) -> int:
        """See `Kind`."""
        try:
            return int(text)
        except ValueError as error:
            raise Unfit from error


@dataclass(frozen=True)
class Number:
    """A number, or a duration, which is one of seconds."""

    expected: str = 'a number, or a duration such as "30s"'

    def read(self, value: object) -> float:
        """See `Kind`."""
        if isinstance(value, str):
            return self.parse(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Unfit
        return float(value)

    def parse(self, text: str) -> float:
        """See `Kind`."""
        try:
            return parse_duration(text)
        except ValueError as error:
            raise Unfit from error


@dataclass(frozen=True)
class Word:
    """One of a few texts."""

    among: tuple[str, ...]

    @property
    def expected(self) -> str:
        """See `Kind`."""
        return "one of " + ", ".join(f'"{word}"' for word in self.among)

    def read(self, value: object) -> str:
        """See `Kind`."""
        if not isinstance(value, str) or value not in self.among:
            raise Unfit
        return value

    parse = read


@dataclass(frozen=True)
class Several:
    """A list of items of one kind; a single one stands for a list of it. At least `least` of them."""

    item: Kind[object]
    least: int = 0

    @property
    def expected(self) -> str:
        """See `Kind`."""
        many = "one or more of" if self.least else "a list, each of it"
        return f"{many} {self.item.expected}"

    def read(self, value: object) -> tuple[object, ...]:
        """See `Kind`."""
        items = value if isinstance(value, list) else [value]
        if len(items) < self.least:
            raise Unfit
        return tuple(self.item.read(item) for item in items)

    def parse(self, text: str) -> tuple[object, ...]:
        """See `Kind`."""
        return tuple(self.item.parse(item) for item in text.split(","))


@dataclass(frozen=True)
class Named:
    """A table of values of one kind, by name; it may be empty."""

    item: Kind[object]

    @property
    def expected(self) -> str:
        """See `Kind`."""
        return f"a table, each value {self.item.expected}"

    def read(self, value: object) -> Mapping[str, object]:
        """See `Kind`."""
        if not isinstance(value, dict):
            raise Unfit
        return {name: self.item.read(item) for name, item in value.items()}

    def parse(self, text: str) -> Mapping[str, object]:
        """See `Kind`; a table has no form on the command line."""
        raise Unfit(f"is {text!r}; expected a table, which only the file can hold")


@dataclass(frozen=True)
class Free:
    """A table of anything that JSON has: it is kept in the journal."""

    expected: str = "a table without dates and times"

    def read(self, value: object) -> Mapping[str, object]:
        """See `Kind`."""
        if not isinstance(value, dict):
            raise Unfit
        try:
            json.dumps(value)
        except TypeError as error:
            raise Unfit from error
        return dict(value)

    def parse(self, text: str) -> Mapping[str, object]:
        """See `Kind`; a table has no form on the command line."""
        raise Unfit(f"is {text!r}; expected a table, which only the file can hold")
