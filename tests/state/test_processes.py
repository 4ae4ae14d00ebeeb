"""Real processes that take a fleet, die with it, or fight over it, on the files of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployer.model.errors import FleetHeld, StateUnavailable
from deployer.state.local import LocalShelf
from deployer.state.owner import is_gone, this_process
from deployer.state.shelved import ShelvedStore
from tests.patience import PATIENCE
from tests.state.parties import HandClock

TTL = 60.0

_TAKE = """
import os, sys
from pathlib import Path
from deployer.model.errors import FleetHeld
from deployer.state.local import LocalShelf
from deployer.state.owner import this_process
from deployer.state.shelved import ShelvedStore
from tests.state.parties import HandClock
store = ShelvedStore(LocalShelf(Path(sys.argv[1]), "lab"))
print("ready", flush=True)
sys.stdin.readline()
try:
    lease = store.acquire("web", this_process({}), "release 1 to 2", sys.argv[2], 60.0, HandClock())
except FleetHeld:
    print("held", flush=True)
else:
    store.open_rollout("web", sys.argv[2], lease, HandClock()).append("intent", "i-1", {})
    print("mine", flush=True)
sys.stdin.readline()
"""


@contextmanager
def taker(home: Path, rollout: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE, str(home), rollout],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert say(process) == "ready"
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


def say(process: subprocess.Popen[str], line: str = "") -> str:
    assert process.stdout is not None
    if line:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()
    return process.stdout.readline().strip()


def test_of_processes_that_take_the_fleet_at_the_same_moment_one_gets_it(tmp_path: Path) -> None:
    with taker(tmp_path, "r-1") as one, taker(tmp_path, "r-2") as two, taker(tmp_path, "r-3") as three:
        for process in (one, two, three):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert sorted(say(process) for process in (one, two, three)) == ["held", "held", "mine"]


def test_a_killed_process_is_known_to_be_gone_and_its_rollout_is_resumed_at_once(tmp_path: Path) -> None:
    store = ShelvedStore(LocalShelf(tmp_path, "lab"))
    clock = HandClock()
    with taker(tmp_path, "r-1") as process:
        assert say(process, "go\n") == "mine"
        with pytest.raises(FleetHeld, match="wait for it"):
            store.acquire("web", this_process({}), "", "r-1", TTL, clock)
        process.kill()
        process.wait(PATIENCE)
    with pytest.raises(FleetHeld, match="deployer resume"):
        store.acquire("web", this_process({}), "", "r-2", TTL, clock)
    lease = store.acquire("web", this_process({}), "", "r-1", TTL, clock)
    resumed = store.open_rollout("web", "r-1", lease, clock)
    assert [r.kind for r in resumed.records()] == ["note", "intent", "note"]


def test_a_process_that_is_dead_but_not_yet_reaped_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    me = this_process({})
    try:
        deadline = time.monotonic() + PATIENCE
        owner = type(me)(me.user, me.host, me.machine, process.pid, "0")
        while not is_gone(owner) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert is_gone(owner)
    finally:
        process.wait(PATIENCE)


def test_this_process_is_not_gone_and_a_later_one_of_the_same_number_is_another() -> None:
    me = this_process({})
    assert me.pid == os.getpid()
    assert not is_gone(me)
    assert is_gone(type(me)(me.user, me.host, me.machine, me.pid, "1"))


def test_a_process_of_another_machine_is_never_taken_for_gone() -> None:
    me = this_process({})
    assert not is_gone(type(me)(me.user, me.host, "another boot", 2**22 + 1, "1"))


@pytest.mark.parametrize(
    ("env", "job"),
    [
        ({"CI_JOB_URL": "https://gitlab.example/j/1"}, "https://gitlab.example/j/1"),
        ({"BUILD_URL": "https://jenkins.example/b/1"}, "https://jenkins.example/b/1"),
        (
            {"GITHUB_RUN_ID": "9", "GITHUB_REPOSITORY": "shop/web", "GITHUB_SERVER_URL": "https://git.example"},
            "https://git.example/shop/web/actions/runs/9",
        ),
        ({}, ""),
    ],
)
def test_a_ci_job_is_named_by_its_address(env: dict[str, str], job: str) -> None:
    owner = this_process(env)
    assert owner.job == job
    assert job in str(owner)


_KEEP = """
import sys, time
from pathlib import Path
from deployer.state.local import LocalShelf
with LocalShelf(Path(sys.argv[1]), "lab")._locked("web"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_process_that_keeps_the_files_locked_is_named_with_what_ends_it(tmp_path: Path) -> None:
    keeper = subprocess.Popen([sys.executable, "-c", _KEEP, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert say(keeper) == "locked"
        with pytest.raises(StateUnavailable, match=rf"process {keeper.pid} .* `kill -KILL {keeper.pid}` ends it"):
            LocalShelf(tmp_path, "lab", patience=0.1).put_lease("web", b"{}", None)
    finally:
        keeper.kill()
        keeper.wait(PATIENCE)
    LocalShelf(tmp_path, "lab").put_lease("web", b"{}", None)
