"""Unit files are read as systemd reads them."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from deployer.lab.machines.units import Unit, UnitError, load, seconds


def read(tmp_path: Path, text: str) -> Unit:
    path = tmp_path / "app.service"
    path.write_text(text)
    return load(path, {"h": "/home/x", "n": "app.service", "%": "%"}, tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", 90.0), ("500ms", 0.5), ("1min 30s", 90.0), ("2h", 7200.0), ("1.5s", 1.5), ("infinity", 365 * 86400.0)],
)
def test_time_spans_are_understood(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["soon", "5 parsecs", "1min x"])
def test_what_is_no_time_span_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UnitError, match="expected for example"):
        seconds(text)


def test_defaults_are_systemds(tmp_path: Path) -> None:
    unit = read(tmp_path, "[Service]\nExecStart=/bin/true\n")
    assert (unit.kind, unit.restart, unit.kill_signal, unit.kill_mode) == (
        "simple",
        "no",
        signal.SIGTERM,
        "control-group",
    )
    assert (unit.stop_timeout, unit.restart_after) == (90.0, 0.1)


def test_an_empty_value_takes_back_what_was_said_before(tmp_path: Path) -> None:
    unit = read(tmp_path, "[Service]\nExecStart=/bin/a\nExecStart=\nExecStart=/bin/b\n")
    assert [line.words for line in unit.start] == [("/bin/b",)]


def test_long_lines_prefixes_comments_and_specifiers(tmp_path: Path) -> None:
    text = "[Service]\n# no\n; no\nExecStartPre=-/bin/false\nExecStart=/bin/run \\\n  --home %h --name=%n 100%%\n"
    unit = read(tmp_path, text)
    assert unit.start[0].words == ("/bin/run", "--home", "/home/x", "--name=app.service", "100%")
    assert unit.before_start[0].forgiven


def test_variables_in_braces_stay_one_word_and_bare_ones_are_split(tmp_path: Path) -> None:
    unit = read(tmp_path, "[Service]\nExecStart=/bin/run ${A} $A x${B}y\n")
    assert unit.start[0].argv({"A": "1 2", "B": "-"}) == ["/bin/run", "1 2", "1", "2", "x-y"]


def test_two_dollars_are_one(tmp_path: Path) -> None:
    unit = read(tmp_path, "[Service]\nExecStart=/bin/sh -c 'echo $${HOME} $$'\n")
    assert unit.start[0].argv({"HOME": "x"}) == ["/bin/sh", "-c", "echo ${HOME} $"]


def test_the_user_of_a_unit_is_read_and_who_is_beyond_it(tmp_path: Path) -> None:
    text = "[Service]\nUser=shop\nGroup=www\nDynamicUser=yes\nStateDirectory=shop a/b\nRuntimeDirectory=shop\n"
    unit = read(tmp_path, f"{text}ExecStartPre=+-/bin/one\nExecStart=/bin/two\n")
    assert (unit.user, unit.group, unit.dynamic_user) == ("shop", "www", True)
    assert unit.directories == {"STATE": ("/var/lib/shop", "/var/lib/a/b"), "RUNTIME": ("/run/shop",)}
    assert (unit.before_start[0].privileged, unit.before_start[0].forgiven) == (True, True)
    assert not unit.start[0].privileged


def test_a_unit_without_a_start_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="expected ExecStart"):
        read(tmp_path, "[Service]\nType=simple\n")


def test_a_missing_environment_file_is_an_error_unless_it_is_optional(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="EnvironmentFile=/etc/none does not exist"):
        read(tmp_path, "[Service]\nExecStart=/bin/true\nEnvironmentFile=/etc/none\n")
    assert read(tmp_path, "[Service]\nExecStart=/bin/true\nEnvironmentFile=-/etc/none\n").environment == {}


def test_an_unknown_signal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnitError, match="KillSignal=SIGNOPE"):
        read(tmp_path, "[Service]\nExecStart=/bin/true\nKillSignal=SIGNOPE\n")
