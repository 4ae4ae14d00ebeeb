"""A lab's folder: its name, and whether the process that it names is the lab's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deployer.lab.home import OWNER_MARK, Facts, LabHome, Phase, Process, all_labs, lab_home, labs_folder
from deployer.lab.leftovers import end_marked
from deployer.model.errors import UsageError


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries the mark of the lab at `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(100)"], env={**os.environ, OWNER_MARK: str(tmp_path)}
    )
    yield process
    process.kill()
    process.wait()


def process_of(sleeper: subprocess.Popen[bytes]) -> Process:
    return Process(sleeper.pid, psutil.Process(sleeper.pid).create_time())


def test_labs_are_kept_where_the_environment_says(tmp_path: Path) -> None:
    assert labs_folder({"DEPLOYER_LAB_HOME": str(tmp_path)}) == tmp_path
    assert labs_folder({"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "deployer" / "labs"


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "-x", "x" * 32, "a b"])
def test_a_name_that_cannot_be_a_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--name is"):
        lab_home(name, {})


def test_facts_come_back_as_they_were_written(tmp_path: Path) -> None:
    home = LabHome(tmp_path)
    facts = Facts("lab", Phase.READY, Process(1, 2.0), endpoint="http://127.0.0.1:1", progress=("a", "b"))
    home.write(facts)
    assert home.read() == facts


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_torn_facts_are_no_facts(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    assert LabHome(tmp_path).read() is None


def test_a_process_with_the_mark_and_the_birth_is_the_labs(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    assert process_of(sleeper).is_alive(tmp_path)


def test_a_process_that_has_only_just_begun_its_program_is_the_labs(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    """For a moment within execve a process shows no environment; a few in a hundred are met in it."""
    clocks_apart = process_of(sleeper).began - time.time()
    missed = 0
    for _ in range(200):
        fresh = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(100)"], env={**os.environ, OWNER_MARK: str(tmp_path)}
        )
        try:
            missed += not Process(fresh.pid, time.time() + clocks_apart).is_alive(tmp_path)
        finally:
            fresh.kill()
            fresh.wait()
    assert missed == 0


def test_a_later_process_with_the_same_id_is_not_the_labs(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    found = process_of(sleeper)
    assert not Process(found.pid, found.began - 100).is_alive(tmp_path)


def test_a_process_of_another_lab_is_not_this_labs(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    assert not process_of(sleeper).is_alive(tmp_path / "other")


def test_only_processes_with_exactly_the_mark_are_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    assert end_marked(OWNER_MARK, str(tmp_path / "other")) == 0
    assert sleeper.poll() is None
    assert end_marked(OWNER_MARK, str(tmp_path)) == 1
    assert not psutil.pid_exists(sleeper.pid)


def test_locks_are_not_taken_for_labs(tmp_path: Path) -> None:
    (tmp_path / ".lab.lock").touch()
    (tmp_path / "lab").mkdir()
    assert [home.name for home in all_labs({"DEPLOYER_LAB_HOME": str(tmp_path)})] == ["lab"]
