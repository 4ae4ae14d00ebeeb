"""Which view a command gets."""

from __future__ import annotations

import json
from io import StringIO

import pytest

from deployer.engine.events import Failed, Noted
from deployer.view.choose import LogFormat, Output, Style, watching


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_elsewhere_than_in_a_terminal_there_is_one_line_an_event() -> None:
    stream = StringIO()
    with watching(Style(), stream) as watched:
        watched(Noted("hello"))
    assert stream.getvalue().endswith("noted text=hello\n")
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("style", [Style(), Style(output=Output.JSON)])
def test_in_a_terminal_there_is_the_tree(style: Style, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with watching(style, stream) as watched:
        watched(Noted("hello"))
    assert "elapsed" in stream.getvalue()


def test_lines_can_be_had_in_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with watching(Style(log_format=LogFormat.TEXT), stream) as watched:
        watched(Noted("hello"))
    assert stream.getvalue().endswith("noted text=hello\n")


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with watching(Style(), stream) as watched:
        watched(Noted("hello"))
    assert "\x1b" not in stream.getvalue()


def test_machines_get_json_lines() -> None:
    stream = StringIO()
    with watching(Style(log_format=LogFormat.JSON), stream) as watched:
        watched(Noted("hello"))
    assert json.loads(stream.getvalue())["text"] == "hello"


def test_failures_are_kept_for_the_end() -> None:
    failure = Failed("i-1", "why")
    with watching(Style(), StringIO()) as watched:
        watched(failure)
    assert watched.failures == [failure]
