"""Durations as people write them: `30s`, `5m`, `1h30m`."""

from __future__ import annotations

import re

_PART = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str | float) -> float:
    """Seconds in a duration; a bare number counts seconds.

    >>> parse_duration("1h30m"), parse_duration("250ms"), parse_duration(5)
    (5400.0, 0.25, 5.0)

    Raises ValueError for anything else, and for what is negative.
    """
    if isinstance(text, bool):
        raise ValueError("a duration is a number with a unit")
    if isinstance(text, int | float):
        if not 0 <= text < 1e9:
            raise ValueError("a duration is not negative and not endless")
        return float(text)
    raw = text.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", raw):
        return float(raw)
    parts = _PART.findall(raw)
    if not parts or "".join(number + unit for number, unit in parts) != raw:
        raise ValueError("a duration is a number with a unit")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def show_duration(seconds: float) -> str:
    """The shortest exact writing of a duration: 90 → `1m30s`, 0 → `0s`, 0.25 → `250ms`."""
    if seconds < 1 and seconds:
        return f"{round(seconds * 1000)}ms"
    left, parts = round(seconds, 3), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        whole, left = divmod(left, size)
        if whole:
            parts.append(f"{int(whole)}{unit}")
    if left or not parts:
        parts.append(f"{left:g}s")
    return "".join(parts)
