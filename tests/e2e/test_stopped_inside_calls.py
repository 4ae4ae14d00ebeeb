"""A deployer that is stopped inside its calls changes nothing once somebody else has the fleet: real signals.

`make stops MOMENTS=50` tries that many moments.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.e2e.lab import TestLab, lab
from tests.e2e.swallowing import Moment, Swallower, Trap, swallowing
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

MOMENTS = int(os.environ.get("MOMENTS", "3"))
LEASE = "5s"


@dataclass
class Stage:
    """A fleet whose deployers all go through the proxy, and the one that holds it now."""

    fleet: TestLab
    proxy: Swallower
    random: random.Random = field(default_factory=lambda: random.Random(20))  # noqa: S311 (not for secrets)
    started: int = 0
    release: int = 1
    name: str = ""
    holder: subprocess.Popen[str] | None = None
    moments: list[str] = field(default_factory=list)

    def start(self, *command: str) -> tuple[str, subprocess.Popen[str]]:
        self.started += 1
        name = f"deployer-{self.started}"
        environment = {
            **self.fleet.environment,
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_EXECUTION_ENV": name,
        }
        return name, replace(self.fleet, environment=environment).start(*command, "--output", "json")

    def hold(self) -> subprocess.Popen[str]:
        """The deployer that works on the fleet; a new rollout where the last one has ended."""
        if self.holder is None or self.holder.poll() is not None:
            self.release = 3 - self.release
            common = ("--method", "in-place", "--batch", "1", "--floor", "1")
            self.name, self.holder = self.start("rollout", "--release", str(self.release), *common)
        return self.holder

    def stop_somewhere(self, moment: Moment) -> bool:
        """Stops the holder at a random moment; whether it was stopped, and not while it had the state locked."""
        holder = self.hold()
        trap = Trap(self.name, holder.pid, moment, self.random.randint(0, 5), self.random.uniform(0.0, 1.5))
        self.trap = self.proxy.trap = trap
        end = time.monotonic() + PATIENCE
        while not trap.sprung.wait(0.1):
            assert time.monotonic() < end, f"{self.name} made no call to be stopped in"
            if holder.poll() is not None:
                self.proxy.trap = None
                trap.released.set()
                holder.communicate()
                return False
        if self._has_locked():
            self.go_on()
            return False
        return True

    def _has_locked(self) -> bool:
        for lock in self.fleet.folder.parent.rglob("state/*/web/lock"):
            with lock.open() as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def go_on(self) -> None:
        self.trap.released.set()
        if self.holder is not None:
            self.holder.send_signal(signal.SIGCONT)

    def taken_over(self) -> tuple[str, subprocess.Popen[str]]:
        """Another deployer that has taken the fleet from the stopped one."""
        before, command = self.proxy.epoch(), self.random.choice(("resume", "abort"))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            name, heir = self.start(command)
            while heir.poll() is None and self.proxy.epoch() == before:
                time.sleep(0.1)
            if self.proxy.epoch() > before:
                return name, heir
            _, said = heir.communicate()
            assert heir.returncode == 4, said
            time.sleep(1.0)
        raise AssertionError("the fleet was never taken over")


def epoch_of(folder: Path) -> int:
    """The epoch under which the fleet is or was last held; 0 before it ever was."""
    leases = folder.rglob("state/*/web/lease.json")
    return max((int(json.loads(path.read_text())["holder"]["epoch"]) for path in leases), default=0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    arguments = ("--instances", "2", "--boot", "2", "--deregistration-delay", "5")
    with lab(tmp_path, *arguments) as fleet:
        fleet.write(lambda text: text.replace("[state]", f'[state]\nlease = "{LEASE}"'))
        with swallowing(fleet.environment["AWS_ENDPOINT_URL"], lambda: epoch_of(tmp_path)) as proxy:
            yield Stage(fleet, proxy)


def test_whoever_is_stopped_inside_a_call_and_taken_over_sends_nothing_more(stage: Stage) -> None:
    while len(stage.moments) < MOMENTS:
        moment = list(Moment)[len(stage.moments) % len(Moment)]
        if not stage.stop_somewhere(moment):
            continue
        stopped, name, epoch = stage.hold(), stage.name, stage.proxy.epoch()
        last = [one.action for one in stage.proxy.changes if one.caller == name][-1]
        heir_name, heir = stage.taken_over()
        stage.go_on()
        _, said = stopped.communicate(timeout=PATIENCE)
        assert stage.proxy.since(name, epoch) == [], f"{moment.value}, {last}"
        assert stopped.returncode == 4, said
        assert "took it over under epoch" in said or "taken it over" in said, said
        assert "unlock" not in said.splitlines()[-1], said
        stage.moments.append(f"{moment.value}: {last}")
        stage.name, stage.holder = heir_name, heir
    stage.hold().communicate(timeout=PATIENCE)
    told = f"{len(stage.moments)} moments, {len(stage.proxy.changes)} changes, 0 of them after the loss"
    sys.stdout.write("\n".join((told, *stage.moments, "")))
