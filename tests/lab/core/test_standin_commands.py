"""`sudo` and its kin run what they are given."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.lab.machines import standins
from tests.patience import PATIENCE

LOCKS_OF_ROOT = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, for which no folder is closed."""


def without_keys() -> None:
    """Makes root subject to the modes of files, from the next exec on; an ordinary user is already."""
    for capability in LOCKS_OF_ROOT:
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """A PATH whose first folder may not be looked into, and whose second has a command that cannot be run."""
    locked, plain = tmp_path / "locked", tmp_path / "plain"
    plain.mkdir()
    (plain / "not-a-program").write_text("text")
    locked.mkdir(0o000)
    yield f"{locked}:{plain}:/usr/bin:/bin"
    locked.chmod(0o700)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", standins.__file__, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("sudo", "echo", "-n", "done"),
        ("sudo", "-n", "-E", "-H", "echo", "-n", "done"),
        ("sudo", "-u", "www-data", "-g", "x", "--", "echo", "-n", "done"),
        ("sudo", "-i", "echo", "-n", "done"),
        ("su", "-", "deploy", "-c", "printf done"),
        ("su", "-c", "printf done", "deploy"),
        ("runuser", "-u", "deploy", "--", "printf", "done"),
    ],
)
def test_the_command_is_run_whatever_the_user(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (0, "done")


def test_sudo_sets_the_variables_it_is_given() -> None:
    assert run("sudo", "-n", "COLOUR=blue", "sh", "-c", "echo $COLOUR").stdout == "blue\n"


def test_the_exit_code_comes_through() -> None:
    assert run("sudo", "sh", "-c", "exit 7").returncode == 7


def test_a_command_that_does_not_exist_is_named() -> None:
    done = run("sudo", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("not-a-program", 1), ("true", 0)])
def test_a_closed_folder_on_the_path_changes_nothing(path: str, command: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", standins.__file__, "sudo", command],
        env={"PATH": path},
        preexec_fn=without_keys,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, command in done.stderr) == (code, code != 0), done.stderr


def test_without_an_init_the_reason_is_said() -> None:
    done = run("systemctl", "status")
    assert done.returncode == 1
    assert "the machine's init does not answer" in done.stderr
