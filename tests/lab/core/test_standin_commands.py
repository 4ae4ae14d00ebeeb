"""Programs that the stand-ins of sudo and its kin become."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployer.lab.machines.launchers import install
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


def run(path: str, command: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    program = "import sys; from deployer.lab.machines.programs import run; "
    program += "sys.exit(run('sudo', [sys.argv[1]], {'PATH': sys.argv[2]}))"
    return subprocess.run(
        [sys.executable, "-c", program, command, path],
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_command_that_does_not_exist_is_named() -> None:
    done = run("/usr/bin:/bin", "no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("not-a-program", 1), ("true", 0)])
def test_a_closed_folder_on_the_path_changes_nothing(path: str, command: str, code: int) -> None:
    done = run(path, command, without_keys)
    assert (done.returncode, command in done.stderr) == (code, code != 0), done.stderr


def test_without_an_init_the_reason_is_said(tmp_path: Path) -> None:
    folder = install(tmp_path)
    done = subprocess.run(
        [folder / "systemctl", "status"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert "the machine's init does not answer" in done.stderr
