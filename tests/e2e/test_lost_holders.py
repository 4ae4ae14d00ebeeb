"""What becomes of a rollout whose process is killed in a hurry, or frozen: with real signals, in a lab."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.lab import IN_PLACE, TestLab, all_new, eventually, held, load

pytestmark = pytest.mark.lab

GRACE = 10.0
"""Seconds that a CI system gives a cancelled job before it kills it."""
LEASE = 6.0


def freeze(fleet: TestLab, rollout: subprocess.Popen[str]) -> None:
    """Stops the process while it writes nothing: one that is frozen with a file locked is another matter."""
    [lock] = fleet.folder.parent.rglob("state/*/web/lock")
    for _ in range(50):
        rollout.send_signal(signal.SIGSTOP)
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                rollout.send_signal(signal.SIGCONT)
                time.sleep(0.05)
    raise AssertionError("the rollout writes all the time")


def nothing_is_known_elsewhere(fleet: TestLab, elsewhere: Path) -> None:
    """With another state store nothing is open, and nobody is told that all is well."""
    elsewhere.mkdir()
    text = (fleet.folder / "deployer.toml").read_text()
    other = re.sub(r"(?m)^path *=.*$", f'path = "{elsewhere / "state"}"', text)
    assert other != text
    (elsewhere / "deployer.toml").write_text(other)
    for command in ("resume", "abort"):
        ended = fleet.run(command, folder=elsewhere)
        assert ended.code == 5, ended.err
        assert "no rollout of fleet web is open in the store on this machine" in ended.err
        assert "serve release 1" in ended.err


def test_a_cancelled_job_that_is_killed_ten_seconds_later_can_be_resumed(fleet: TestLab, tmp_path: Path) -> None:
    with load(fleet) as requests:
        rollout = fleet.start(*IN_PLACE)
        fleet.wait_for(rollout, "move=drain")
        rollout.send_signal(signal.SIGTERM)
        time.sleep(GRACE)
        rollout.kill()
        rollout.communicate()
        nothing_is_known_elsewhere(fleet, tmp_path / "elsewhere")
        resumed = fleet.run("resume", "--output", "json")
    all_new(fleet, resumed)
    assert requests["failed"] == 0


def test_one_that_was_frozen_past_its_lease_finds_the_fleet_taken_over_and_changes_nothing_more(
    fleet: TestLab, tmp_path: Path
) -> None:
    fleet.write(lambda text: text.replace("[state]", f'[state]\nlease = "{LEASE:g}s"'))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "deployer.toml").write_text((fleet.folder / "deployer.toml").read_text())
    with load(fleet) as requests:
        rollout = fleet.start(*IN_PLACE)
        fleet.wait_for(rollout, "move=drain")
        freeze(fleet, rollout)
        refused = fleet.run("resume", "--output", "json", folder=elsewhere)
        assert refused.code == 4, refused.err
        resumed = eventually(
            lambda: fleet.run("resume", "--output", "json", folder=elsewhere), lambda ended: ended.code != 4
        )
        all_new(fleet, resumed)
        rollout.send_signal(signal.SIGCONT)
        woken = fleet.finish(rollout)
    assert woken.code == 4, woken.err
    assert "lease" in woken.err
    assert fleet.releases() == ["2"] * 4
    assert held(fleet) is None
    assert requests["failed"] == 0
