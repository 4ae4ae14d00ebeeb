"""From datapoints to a state: how an alarm judges what it sees, and what is missing. Pure.

Source: CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.lab.alarms.records import Bar, Missing, State

BEYOND = 2
"""How many periods more than asked for are looked at, in case some have no data: the evaluation range."""


@dataclass(frozen=True)
class Judgement:
    """The state that datapoints mean. `evaluated` are the real ones that counted, the oldest first."""

    state: State
    evaluated: tuple[float, ...]
    breaching: int
    filled: int = 0
    """How many missing periods had to be given a meaning."""


def judge(points: Sequence[float | None], bar: Bar, now: State) -> Judgement:
    """Judges the datapoints of the evaluation range, the oldest first; None is a period without data."""
    recent = points[-bar.periods :]
    real = [value for value in points if value is not None]
    if None not in recent or len(real) >= bar.periods:
        return _enough(real[-bar.periods :], bar)
    breaching = sum(bar.comparison.breached(value, bar.threshold) for value in real)
    filled = bar.periods - len(real)
    return Judgement(_with_gaps(points, bar, now, breaching, filled), tuple(real), breaching, filled)


def _enough(values: Sequence[float], bar: Bar) -> Judgement:
    breaching = sum(bar.comparison.breached(value, bar.threshold) for value in values)
    state = State.ALARM if breaching >= bar.to_alarm else State.OK
    return Judgement(state, tuple(values), breaching)


def _with_gaps(points: Sequence[float | None], bar: Bar, now: State, breaching: int, filled: int) -> State:
    match bar.missing:
        case Missing.BREACHING:
            return State.ALARM if breaching + filled >= bar.to_alarm else State.OK
        case Missing.NOT_BREACHING:
            return State.ALARM if breaching >= bar.to_alarm else State.OK
        case Missing.IGNORE:
            undecided = breaching < bar.to_alarm and _all_breach(points, bar)
            return now if undecided else _plain(breaching, bar)
        case Missing.MISSING:
            if all(value is None for value in points):
                return State.INSUFFICIENT_DATA
            return State.ALARM if _premature(points, bar) else _plain(breaching, bar)


def _plain(breaching: int, bar: Bar) -> State:
    return State.ALARM if breaching >= bar.to_alarm else State.OK


def _all_breach(points: Sequence[float | None], bar: Bar) -> bool:
    return all(value is None or bar.comparison.breached(value, bar.threshold) for value in points)


def _premature(points: Sequence[float | None], bar: Bar) -> bool:
    """Nothing but breaches and gaps, and the oldest breach is as old as the datapoints to alarm."""
    oldest = next(age for age, value in zip(range(len(points), 0, -1), points, strict=True) if value is not None)
    return _all_breach(points, bar) and oldest >= bar.to_alarm
