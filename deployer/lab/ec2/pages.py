"""Pages of Describe answers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TypeVar

from deployer.lab.ec2.errors import ApiError, invalid_combination, invalid_value

Thing = TypeVar("Thing")

_TOKEN = re.compile(r"after ([a-z]+-[0-9a-f]+) at (\d+)")


def token(last_id: str, position: int) -> str:
    """The opaque token of the page that follows the thing with this id, which stood at `position`."""
    return base64.urlsafe_b64encode(f"after {last_id} at {position}".encode()).decode()


def _read(given: str) -> tuple[str, int]:
    try:
        text = base64.urlsafe_b64decode(given.encode()).decode()
    except (binascii.Error, ValueError):
        text = ""
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise ApiError("InvalidNextToken", f"The token '{given}' is invalid")
    return found[1], int(found[2])


def require_no_ids(parameter: str, ids: Sequence[str], size: int | None) -> None:
    """Refuses MaxResults together with ids, as the API does."""
    if ids and size is not None:
        raise invalid_combination(f"The parameter {parameter} cannot be used with the parameter maxResults")


def page(
    ordered: Sequence[tuple[str, Thing]], size: int | None, given: str | None, smallest: int = 5
) -> tuple[list[Thing], str | None]:
    """One page of (id, thing) pairs and the token of the next, if there is one.

    The order of the pairs is the order of pages; the token names the last id shown, so that things that
    come or go between two calls neither repeat nor hide others; where that one has gone, its place counts.
    """
    if size is not None and not smallest <= size <= 1000:
        raise invalid_value(
            f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value between {smallest} and 1000."
        )
    start = 0
    if given:
        last, position = _read(given)
        start = next((n + 1 for n, (name, _) in enumerate(ordered) if name == last), position)
    stop = len(ordered) if size is None else start + size
    shown = list(ordered[start:stop])
    more = stop < len(ordered) and bool(shown)
    return [thing for _, thing in shown], token(shown[-1][0], stop - 1) if more else None
