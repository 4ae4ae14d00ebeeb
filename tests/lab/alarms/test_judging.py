"""How datapoints become a state: the tables of CloudWatch's user guide, row by row."""

from __future__ import annotations

import pytest

from deployer.lab.alarms.judging import judge
from deployer.lab.alarms.records import Bar, Comparison, Missing, State

POINTS = {"0": 0.0, "X": 9.0, "-": None}
OK, ALARM, NO_DATA = State.OK, State.ALARM, State.INSUFFICIENT_DATA
ORDER = (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)

THREE_OF_THREE = [
    ("0 - X - X", 0, (OK, OK, OK, OK)),
    ("0 - - - -", 2, (OK, OK, OK, OK)),
    ("- - - - -", 3, (NO_DATA, None, ALARM, OK)),
    ("0 X X - X", 0, (ALARM, ALARM, ALARM, ALARM)),
    ("- - X - -", 2, (ALARM, None, ALARM, OK)),
]
TWO_OF_THREE = [
    ("0 - X - X", 0, (ALARM, ALARM, ALARM, ALARM)),
    ("0 0 X 0 X", 0, (ALARM, ALARM, ALARM, ALARM)),
    ("0 - X - -", 1, (OK, OK, ALARM, OK)),
    ("- - - - 0", 2, (OK, OK, ALARM, OK)),
    ("- - - X -", 2, (ALARM, None, ALARM, OK)),
]
ROWS = [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE]


def points(row: str) -> list[float | None]:
    return [POINTS[sign] for sign in row.split()]


@pytest.mark.parametrize(("to_alarm", "row", "filled", "states"), ROWS)
@pytest.mark.parametrize("before", list(State))
def test_a_row_of_the_guides_tables_means_the_documented_state(
    to_alarm: int, row: str, filled: int, states: tuple[State | None, ...], before: State
) -> None:
    for missing, expected in zip(ORDER, states, strict=True):
        found = judge(points(row), Bar(Comparison.ABOVE, 5.0, 3, to_alarm, missing), before)
        assert found.state is (expected or before), f"{missing.value}: None in the table is the state before"
        assert found.filled == filled


@pytest.mark.parametrize("row", ["- - - - X", "- - - X -"])
def test_a_single_breach_after_silence_is_no_alarm_yet(row: str) -> None:
    assert judge(points(row), Bar(Comparison.ABOVE, 5.0, 3, 3), State.OK).state is State.OK


@pytest.mark.parametrize(
    ("comparison", "below", "at", "above"),
    [
        (Comparison.ABOVE, OK, OK, ALARM),
        (Comparison.AT_LEAST, OK, ALARM, ALARM),
        (Comparison.BELOW, ALARM, OK, OK),
        (Comparison.AT_MOST, ALARM, ALARM, OK),
    ],
)
def test_each_comparison_draws_its_line_at_the_threshold(
    comparison: Comparison, below: State, at: State, above: State
) -> None:
    found = [judge([None, None, value], Bar(comparison, 5.0, 1, 1), OK).state for value in (4.0, 5.0, 6.0)]
    assert found == [below, at, above]
