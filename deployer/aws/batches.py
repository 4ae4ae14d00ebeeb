"""One call for many items, where one bad item fails the whole call: halve until it stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from deployer.model.outcome import Done, Outcome, Permanent, Temporary

T = TypeVar("T")

Call = Callable[[Sequence[T]], Outcome[object]]


def bisect(items: Sequence[T], call: Call[T], split_on: frozenset[str], *, size: int) -> dict[T, Outcome[None]]:
    """Calls with all items, at most `size` at once; a failure with a code of `split_on` is halved and repeated.

    For n items of which one is bad it makes about 2·log2(n) + 1 calls. The calls must be harmless to repeat.
    """
    outcomes: dict[T, Outcome[None]] = {}
    waiting = [items[start : start + size] for start in range(0, len(items), size)]
    while waiting:
        batch = waiting.pop(0)
        outcome = call(batch)
        match outcome:
            case Temporary(code=code) | Permanent(code=code) if code in split_on and len(batch) > 1:
                half = len(batch) // 2
                waiting[:0] = [batch[:half], batch[half:]]
            case Done(request_id=request):
                outcomes.update(dict.fromkeys(batch, Done(None, request)))
            case _:
                outcomes.update(dict.fromkeys(batch, outcome))
    return outcomes


def as_lag(outcomes: Mapping[T, Outcome[None]], codes: frozenset[str]) -> dict[T, Outcome[None]]:
    """Failures with one of `codes` become Temporary: AWS may only not have heard of the item yet."""
    return {item: _lag(outcome, codes) for item, outcome in outcomes.items()}


def as_done(outcomes: Mapping[T, Outcome[None]], codes: frozenset[str]) -> dict[T, Outcome[None]]:
    """Failures with one of `codes` become Done: what was to be removed is not there."""
    return {item: _gone(outcome, codes) for item, outcome in outcomes.items()}


def _lag(outcome: Outcome[None], codes: frozenset[str]) -> Outcome[None]:
    match outcome:
        case Permanent(reason=reason, code=code, request_id=request) if code in codes:
            return Temporary(reason, 2.0, code, request)
        case _:
            return outcome


def _gone(outcome: Outcome[None], codes: frozenset[str]) -> Outcome[None]:
    match outcome:
        case Temporary(code=code, request_id=request) | Permanent(code=code, request_id=request) if code in codes:
            return Done(None, request)
        case _:
            return outcome
