"""The rules of composite alarms: ALARM(a) AND (OK("b") OR NOT INSUFFICIENT_DATA(c))."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployer.lab.alarms.errors import invalid
from deployer.lab.alarms.records import State

_TOKEN = re.compile(
    r"""\s*(?:(?P<check>ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"(?P<quoted>[^"]+)"|(?P<bare>[^\s()"]+))\s*\)"""
    r"""|(?P<word>AND|OR|NOT|TRUE|FALSE|\(|\)))""",
    re.IGNORECASE,
)
Check = Callable[[str], State]
"""The state of an alarm by its name or ARN."""


@dataclass(frozen=True)
class Named:
    """`ALARM(name)`: an alarm is in a state."""

    state: State
    alarm: str


class Rule:
    """A rule that was read. Raises ValidationError for one that cannot be read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._place = 0
        self.alarms = tuple(one.alarm for one in self._tokens if isinstance(one, Named))
        self._value(lambda _name: State.OK)

    def holds(self, check: Check) -> bool:
        """Whether the rule is true now."""
        return self._value(check)

    def _read(self) -> Iterator[Named | str]:
        place = 0
        while place < len(self._text.rstrip()):
            found = _TOKEN.match(self._text, place)
            if found is None:
                raise invalid(f"AlarmRule cannot be read at '{self._text[place : place + 20].strip()}'")
            place = found.end()
            if found["check"]:
                yield Named(State[found["check"].upper()], found["quoted"] or found["bare"])
            else:
                yield found["word"].upper()

    def _value(self, check: Check) -> bool:
        self._place = 0
        result = self._either(check)
        if self._place != len(self._tokens):
            raise invalid(f"AlarmRule has more than one expression: {self._text}")
        return result

    def _next(self) -> Named | str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self) -> Named | str | None:
        token = self._next()
        self._place += 1
        return token

    def _either(self, check: Check) -> bool:
        result = self._both(check)
        while self._next() == "OR":
            self._take()
            result = self._both(check) or result
        return result

    def _both(self, check: Check) -> bool:
        result = self._one(check)
        while self._next() == "AND":
            self._take()
            result = self._one(check) and result
        return result

    def _one(self, check: Check) -> bool:
        match self._take():
            case Named(state, alarm):
                return check(alarm) is state
            case "NOT":
                return not self._one(check)
            case "TRUE":
                return True
            case "FALSE":
                return False
            case "(":
                result = self._either(check)
                if self._take() != ")":
                    raise invalid(f"AlarmRule lacks a closing parenthesis: {self._text}")
                return result
            case other:
                raise invalid(f"AlarmRule has '{other}' where a state or a parenthesis is expected: {self._text}")
