"""Asking a strategy for its moves. A strategy may be anybody's: what it raises or returns amiss ends the rollout in
good order, with one sentence that names the strategy, the line and the error.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from deployer.model.moves import Move, is_well_formed
from deployer.model.observation import Observation
from deployer.model.text import clean, in_words

MOST_MOVES = 100_000
"""A strategy that returns more than this in one tick, from a generator that never ends, is broken."""

_NEXT = "nothing new is started; mend the strategy and roll out again"

Decide = Callable[[Observation], Sequence[Move]]


@dataclass
class StrategyFailed(Exception):
    """A strategy raised, or returned something that is not a list of moves. `trace` is for whoever mends it."""

    reason: str
    trace: str = ""

    def __str__(self) -> str:
        return self.reason


def moves_of(name: str, decide: Decide, seen: Observation) -> list[Move]:
    """What the strategy called `name` wants done now. Raises StrategyFailed, and nothing else of the strategy's."""
    try:
        found = list(islice(decide(seen), MOST_MOVES + 1))
    except (Exception, SystemExit) as error:  # a strategy may raise anything
        trace = "".join(traceback.format_exception(error))
        text = f"strategy {name} failed at {_where(error, decide)}: {in_words(error)}; {_NEXT}"
        raise StrategyFailed(text, trace) from error
    if len(found) > MOST_MOVES:
        raise StrategyFailed(f"strategy {name} ({_source(decide)}) returned more than {MOST_MOVES} moves; {_NEXT}")
    for move in found:
        if not is_well_formed(move):
            text = f"strategy {name} ({_source(decide)}) returned {_shown(move)}; expected moves; {_NEXT}"
            raise StrategyFailed(text)
    return found


def _shown(thing: object) -> str:
    try:
        return clean(f"{type(thing).__name__} {thing!r}", 120)
    except Exception:  # noqa: BLE001 (it is nonsense, and may be so in every way)
        return type(thing).__name__


def _where(error: BaseException, decide: Decide) -> str:
    """File and line: the innermost in the strategy's own file, else where it was raised, else the strategy's."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own, _ = _position(decide)
    frame = next((one for one in reversed(frames) if one.filename == own), frames[-1] if frames else None)
    return f"{frame.filename}:{frame.lineno}" if frame is not None else _source(decide)


def _source(decide: Decide) -> str:
    file, line = _position(decide)
    return f"{file}:{line}" if line else file


def _position(decide: Decide) -> tuple[str, int]:
    code = getattr(inspect.unwrap(decide), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else (repr(type(decide)), 0)
