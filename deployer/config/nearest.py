"""What a mistyped word may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean "batch"?`, or the list of what is known when nothing is near. `-` and `_` count as equal."""
    names = sorted(known)
    plain = {name.replace("-", "_"): name for name in names}
    near = get_close_matches(word.lower().replace("-", "_"), plain, n=1)
    if near:
        return f'; did you mean "{plain[near[0]]}"?'
    return "; known: " + ", ".join(names)
