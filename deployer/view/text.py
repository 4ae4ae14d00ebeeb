"""Text for people: lengths of time here, and untrusted text made harmless as `deployer.model.text` has it."""

from __future__ import annotations

from deployer.model.text import clean, clean_lines

__all__ = ["clean", "clean_lines", "clock_time"]


def clock_time(seconds: float) -> str:
    """A length of time for people: `8 s`, `1:02`, `1:00:05`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"
