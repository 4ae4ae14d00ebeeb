"""Processes on a machine: how one begins, and how all that belong to a unit are found."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.lab.machines.processes import UNIT_MARK, Command, marked, send, spawn

PATH = "/usr/bin:/bin"


@pytest.fixture
def said() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def command(argv: list[str], writer: int, path: str = PATH, unit: str = "") -> Command:
    nothing = os.open(os.devnull, os.O_RDONLY)
    return Command(argv, {"PATH": path, UNIT_MARK: unit}, "/", nothing, writer, writer)


def outcome(child: int, said: tuple[int, int]) -> tuple[int, str]:
    os.close(said[1])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.read(said[0], 4096).decode()


def test_what_was_started_is_found_by_its_mark_at_once(said: tuple[int, int], tmp_path: Path) -> None:
    """Else a unit that is stopped right after its start would live on."""
    missed = 0
    for _ in range(100):
        child = spawn(command(["sleep", "100"], said[1], unit=str(tmp_path)))
        missed += child not in marked(UNIT_MARK, str(tmp_path))
        send([child], signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(said[1])
    assert missed == 0


def test_a_command_that_does_not_exist_ends_as_in_a_shell(said: tuple[int, int]) -> None:
    child = spawn(command(["no-such-command"], said[1]))
    assert outcome(child, said) == (127, "no-such-command: command not found\n")


def test_a_file_that_is_no_program_ends_as_in_a_shell(said: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    child = spawn(command(["text"], said[1], path=str(tmp_path)))
    assert outcome(child, said) == (126, "text: Permission denied\n")


def test_a_place_on_the_path_that_cannot_hold_a_command_is_passed_over(
    said: tuple[int, int], tmp_path: Path
) -> None:
    (tmp_path / "closed").write_text("")
    child = spawn(command(["no-such-command"], said[1], path=f"{tmp_path}/closed:{PATH}"))
    assert outcome(child, said) == (127, "no-such-command: command not found\n")
