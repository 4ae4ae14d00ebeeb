"""Pure questions about one observation, each answered once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from deployer.model.observation import Observation

_Thing = TypeVar("_Thing")
_Found = TypeVar("_Found")
_Question = Callable[[Observation, _Thing], _Found]


def once_a_look(question: _Question[_Thing, _Found]) -> _Question[_Thing, _Found]:
    """Has a pure question about an instance or a slot answered once for each observation.

    Observations never change, and strategies, guard and loop ask the same of every instance again and again.
    What was asked about is kept with the answer, so that no other thing can come by its identity meanwhile.
    """

    @wraps(question)
    def answer(seen: Observation, thing: _Thing) -> _Found:
        key = (question, id(thing))
        known = seen.findings.get(key)
        if known is None:
            known = seen.findings[key] = (thing, question(seen, thing))
        found: _Found = known[1]
        return found

    return answer
