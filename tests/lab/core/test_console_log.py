"""A console keeps the newest and stays small."""

from __future__ import annotations

from pathlib import Path

from deployer.lab.machines.console import BoundedLog


def test_only_the_newest_whole_lines_stay(tmp_path: Path) -> None:
    log = BoundedLog.at(str(tmp_path / "log"), kept=1000)
    for number in range(2000):
        log.line(f"line {number}")
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[-1] == "line 1999"
    assert (tmp_path / "log").stat().st_size <= 4000
    first = int(lines[0].removeprefix("line "))
    assert lines == [f"line {number}" for number in range(first, 2000)]


def test_a_log_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    for text in ("one", "two"):
        log = BoundedLog.at(str(tmp_path / "log"))
        log.line(text)
        log.close()
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
