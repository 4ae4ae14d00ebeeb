"""How policies name actions, resources and values: `*`, `?`, and variables (IAM user guide, "Policy variables")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ARN_PARTS = 6


def action_matches(pattern: str, action: str) -> bool:
    """Actions are compared without regard to case."""
    return _expression(pattern.lower()).fullmatch(action.lower()) is not None


def text_matches(pattern: str, text: str, context: Mapping[str, Sequence[str]]) -> bool:
    """StringLike: `*` is any text, `?` any character; False where a variable has no value in this request."""
    filled = _filled(pattern, context)
    return filled is not None and re.compile(filled, re.DOTALL).fullmatch(text) is not None


def arn_matches(pattern: str, arn: str, context: Mapping[str, Sequence[str]]) -> bool:
    """ArnLike: each of the six parts is compared by itself (IAM user guide, "Amazon Resource Name (ARN) condition
    operators"), so that no `*` reaches over a colon before the resource."""
    wanted, found = pattern.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    if len(wanted) != _ARN_PARTS or len(found) != _ARN_PARTS:
        return False
    return all(text_matches(one, other, context) for one, other in zip(wanted, found, strict=True))


def resource_matches(pattern: str, resource: str, context: Mapping[str, Sequence[str]]) -> bool:
    """An element of `Resource`: everything, or an ARN with `*` and `?` in its parts."""
    return pattern == "*" or arn_matches(pattern, resource, context)


def filled_in(text: str, context: Mapping[str, Sequence[str]]) -> str | None:
    """The text with its variables' values; None where one has none."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name = found[1]
        if name in ("*", "?", "$"):
            return name
        values = context.get(name.lower(), ())
        missing = missing or len(values) != 1
        return values[0] if values else ""

    done = _VARIABLE.sub(value, text)
    return None if missing else done


def _filled(pattern: str, context: Mapping[str, Sequence[str]]) -> str | None:
    if "${" not in pattern:
        return _expression(pattern).pattern
    parts, at = [], 0
    for found in _VARIABLE.finditer(pattern):
        value = filled_in(found[0], context)
        if value is None:
            return None
        parts += [_expression(pattern[at : found.start()]).pattern, re.escape(value)]
        at = found.end()
    return "".join((*parts, _expression(pattern[at:]).pattern))


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.compile("".join(parts), re.DOTALL)
