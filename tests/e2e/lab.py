"""A lab with a fleet, driven as a user drives it: through the `deployer` command and the AWS API."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE

EXAMPLES = Path(__file__).parents[2] / "examples" / "web"
DEPLOYER = [sys.executable, "-m", "deployer"]
ROLLOUT = ("rollout", "--batch", "50%", "--output", "json")
IN_PLACE = (*ROLLOUT, "--method", "in-place", "--floor", "50%")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass
class TestLab:
    """One lab: its environment, and the folder with its `deployer.toml`."""

    __test__ = False

    folder: Path
    environment: dict[str, str]

    def start(self, *arguments: str, folder: Path | None = None) -> subprocess.Popen[str]:
        """Starts a command in a process of its own."""
        return subprocess.Popen(
            [*DEPLOYER, *arguments],
            cwd=folder or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, process: subprocess.Popen[str], text: str) -> None:
        """Reads a command's log until it says `text`."""
        assert process.stderr is not None
        for line in process.stderr:
            if text in line:
                return
        raise AssertionError(f"the command ended and never said {text!r}")

    def finish(self, process: subprocess.Popen[str]) -> Ended:
        """Waits for a command."""
        out, err = process.communicate(timeout=PATIENCE)
        return Ended(process.returncode, out, err)

    def run(self, *arguments: str, folder: Path | None = None) -> Ended:
        """Runs a command to its end."""
        return self.finish(self.start(*arguments, folder=folder))

    def client(self, service: str) -> Any:
        """A boto3 client of the lab."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def releases(self) -> list[str | None]:
        """What each instance of the fleet answers, by `deployer status`."""
        return [one["release"] for one in self.run("status", "--output", "json").document["instances"]]

    def alive(self) -> list[str]:
        """Every instance of the account that exists: a builder that was left would be among them."""
        states = ["pending", "running", "stopping", "stopped"]
        pages = self.client("ec2").describe_instances(Filters=[{"Name": "instance-state-name", "Values": states}])
        return [one["InstanceId"] for r in pages["Reservations"] for one in r["Instances"]]

    def write(self, change: Callable[[str], str]) -> None:
        """Changes `deployer.toml`."""
        path = self.folder / "deployer.toml"
        path.write_text(change(path.read_text()))

    def with_bundles(self, folder: Path) -> None:
        """Points the settings to copies of the example's releases, which a test may change or delete."""
        for release in ("release-1", "release-2"):
            shutil.copytree(EXAMPLES / release, folder / release)
        self.write(lambda text: re.sub(r"bundle *= .*", f'bundle = "{folder}/release-{{release}}"', text))


def held(fleet: TestLab) -> object:
    """Who holds the fleet, by `deployer status`."""
    return fleet.run("status", "--output", "json").document["held"]


def all_new(fleet: TestLab, ended: Ended) -> None:
    assert ended.code == 0, ended.err
    assert fleet.releases() == ["2"] * 4
    assert held(fleet) is None
    left = fleet.run("doctor", "--leftovers")
    assert left.code == 0, left.out


def eventually(act: Callable[[], Ended], enough: Callable[[Ended], bool]) -> Ended:
    """Runs a command again and again until its end is as wanted, or patience ends; returns the last end."""
    end = time.monotonic() + PATIENCE
    while not enough(ended := act()) and time.monotonic() < end:
        time.sleep(1.0)
    return ended


@contextmanager
def lab(home: Path, *arguments: str) -> Iterator[TestLab]:
    """A lab that is taken down again, whatever happens."""
    folder = home / "work"
    folder.mkdir(parents=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DEPLOYER_"))}
    environment = {
        **kept,
        "DEPLOYER_LAB_HOME": str(home / "labs"),
        "DEPLOYER_LAB": f"e2e-{os.getpid()}",
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_STATE_HOME": str(home / "state"),
    }
    made = TestLab(folder, environment)
    try:
        up = made.run("lab", "up", *arguments)
        assert up.code == 0, up.err
        exports = (line.removeprefix("export ").partition("=") for line in up.out.splitlines())
        environment |= {key: shlex.split(value)[0] for key, _, value in exports}
        yield made
    finally:
        down = made.run("lab", "down")
        assert down.code == 0, down.err


@contextmanager
def load(made: TestLab, rate: int = 60) -> Iterator[dict[str, Any]]:
    """Requests against the fleet while the block runs; the dictionary is filled with the count at its end."""
    counted: dict[str, Any] = {}
    process = made.start("lab", "load", "--seconds", "600", "--rate", str(rate), "--output", "json")
    try:
        time.sleep(2)
        yield counted
    finally:
        process.send_signal(2)
        counted.update(made.finish(process).document["requests"])
