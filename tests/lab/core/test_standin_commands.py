"""`sudo` and its kin run what they are given."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deployer.lab.machines import standins


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", standins.__file__, *words],
        capture_output=True,
        text=True,
        timeout=20,
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


def test_without_an_init_the_reason_is_said() -> None:
    done = run("systemctl", "status")
    assert done.returncode == 1
    assert "the machine's init does not answer" in done.stderr
