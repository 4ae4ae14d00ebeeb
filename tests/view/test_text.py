"""Text of others comes through a view without anything that a terminal would obey."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.view.text import clean, clean_lines, clock_time


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("one\r\ntwo", "one two"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("bell\x07", "bell"),
        ("läden ● ok", "läden ● ok"),
    ],
)
def test_escape_sequences_and_control_characters_are_dropped(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_nothing_invisible_is_left_of_any_text(text: str) -> None:
    assert all(unicodedata.category(c)[0] != "C" for c in clean(text))
    assert all(unicodedata.category(c)[0] != "C" or c == "\n" for c in clean_lines(text))


def test_long_text_is_cut_with_a_mark() -> None:
    assert clean("x" * 50, limit=10) == "x" * 9 + "…"


def test_of_a_log_the_last_lines_are_kept() -> None:
    assert clean_lines("a\nb\nc", lines=2) == "b\nc"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (62, "1:02"), (3605, "1:00:05"), (-3, "0 s")]
)
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text
