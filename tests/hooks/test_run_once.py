"""A run-once hook under kill -9 and resume: real processes, a real journal, and never two runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]

PROCESS = """
import sys
from pathlib import Path
from tests.hooks.once_process import carry_on
carry_on(Path(sys.argv[1]), check=sys.argv[2], answer=sys.argv[3])
"""


def begin(folder: Path, check: str = "none", answer: str = "none") -> subprocess.Popen[str]:
    """Starts a process that works on the rollout in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, str(folder), check, answer],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def runs(folder: Path) -> int:
    """How often the migration has begun."""
    log = folder / "migrated"
    return len(log.read_text().splitlines()) if log.exists() else 0


def killed_in_the_middle(folder: Path) -> None:
    """A process that is killed while its migration runs."""
    (folder / "slow").touch()
    process = begin(folder)
    end = time.monotonic() + PATIENCE
    while not runs(folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert runs(folder) == 1
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
    for pid in (folder / "pid").read_text().split():
        os.kill(int(pid), signal.SIGKILL)  # the machine died with it
    (folder / "slow").unlink()


def test_it_runs_once_in_a_rollout_that_is_not_cut_short_and_not_again_in_a_second_process(tmp_path: Path) -> None:
    for _ in range(2):
        said, _ = begin(tmp_path).communicate(timeout=PATIENCE)
        assert said.splitlines()[-1] == "pass"
    assert runs(tmp_path) == 1


def test_after_kill_9_it_is_not_blindly_run_again_but_somebody_is_asked(tmp_path: Path) -> None:
    killed_in_the_middle(tmp_path)
    process = begin(tmp_path)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "may run only once, was under way when the process died" in said
    assert "deployer resume --hook-ran migrate" in said
    assert runs(tmp_path) == 1


@pytest.mark.parametrize(
    ("check", "answer", "total"),
    [("true", "none", 1), ("false", "none", 2), ("none", "ran", 1), ("none", "again", 2)],
    ids=["its check says done", "its check says not done", "the user says done", "the user says not done"],
)
def test_after_kill_9_it_runs_again_only_when_it_is_known_not_to_have_done_its_work(
    tmp_path: Path, check: str, answer: str, total: int
) -> None:
    killed_in_the_middle(tmp_path)
    for _ in range(2):
        said, _ = begin(tmp_path, check, answer).communicate(timeout=PATIENCE)
        assert said.splitlines()[-1] == "pass", said
    assert runs(tmp_path) == total
