"""Values as TOML writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def quoted(text: str) -> str:
    """A basic string. A control character is written as its escape. [TOML 1.0, String]"""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        '"' + "".join(f"\\u{ord(char):04x}" if ord(char) < 32 or ord(char) == 127 else char for char in plain) + '"'
    )


def inline_list(texts: Iterable[str]) -> str:
    """An array of strings on one line."""
    return "[" + ", ".join(quoted(text) for text in texts) + "]"


def inline_table(items: Mapping[str, str]) -> str:
    """A table on one line; the values are TOML already, the keys are quoted where they have to be."""
    pairs = ", ".join(f"{key if _BARE.fullmatch(key) else quoted(key)} = {value}" for key, value in items.items())
    return f"{{ {pairs} }}"
