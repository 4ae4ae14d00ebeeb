"""One API call of CloudWatch, as the actions see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployer.lab.alarms.errors import invalid
from deployer.lab.alarms.service import Alarms, Region


@dataclass(frozen=True)
class Call:
    """The parameters by their botocore member names, and the region that was called."""

    service: Alarms
    region: Region
    params: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """A parameter's text, None when it is absent or empty."""
        value = self.params.get(name)
        return None if value in (None, "") else str(value)

    def need(self, name: str) -> str:
        """A parameter's text; raises ValidationError without it."""
        value = self.text(name)
        if value is None:
            raise invalid(f"1 validation error detected: Value null at '{name}' failed to satisfy constraint.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list parameter, empty when absent."""
        return [str(value) for value in self.params.get(name) or ()]

    def number(self, name: str, default: int) -> int:
        """An integer parameter."""
        value = self.params.get(name)
        return default if value is None else int(value)

    def time(self, name: str) -> float | None:
        """A timestamp in seconds since the epoch."""
        return seconds(self.params.get(name))


def seconds(value: Any) -> float | None:
    """A timestamp of a request in seconds since the epoch; one without a zone is UTC."""
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()


def page(call: Call, rows: list[Any], default: int) -> tuple[list[Any], str | None]:
    """The rows of the page that was asked for, and the token of the next one."""
    first = int(call.text("NextToken") or 0)
    size = min(call.number("MaxRecords", default), default)
    more = str(first + size) if len(rows) > first + size else None
    return rows[first : first + size], more


Answer = Mapping[str, Any] | None
Action = Callable[[Call], Answer]
