"""An application that names its release in no header, rolled forward and back in every way of installing.

`make no-header` runs all ways; by itself only the two run that are the least alike. There is no relaunch with
CodeDeploy other than blue/green: it installs on instances and launches none of an image.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.lab import Ended, TestLab, lab, load

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Way:
    """One way of installing, and how the plan says that the release will be known."""

    backend: str
    method: str
    known: str
    strategy: str = "rolling"
    always: bool = False

    def __str__(self) -> str:
        return f"{self.backend}-{self.strategy}-{self.method}"

    def set(self, fleet: TestLab) -> None:
        """Has the settings say so, for every command."""
        values = {"strategy": self.strategy, "batch": "50%", "floor": "50%", "method": self.method}
        text = "".join(f'{key} = "{value}"\n' for key, value in {**values, "backend": self.backend}.items())
        fleet.write(lambda old: re.sub(r"(?ms)(?<=^\[fleet\.web\.rollout\]\n).*?(?=\n\[)", text, old))


IN_PLACE = Way("native", "in-place", "known by the marker on its host", always=True)
WAYS = (
    Way("native", "relaunch", "known by its image"),
    IN_PLACE,
    Way("native", "relaunch", "known by its image", strategy="blue-green"),
    Way("codedeploy", "in-place", "known by its CodeDeploy deployment", always=True),
    Way("codedeploy", "relaunch", "known by its CodeDeploy deployment", strategy="blue-green"),
)
JSON = ("--output", "json")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the lab is."""
    return tmp_path


@pytest.fixture
def silent(home: Path) -> Iterator[TestLab]:
    """Two instances of release 1, whose application names no release."""
    arguments = ("--no-header", "--instances", "2", "--boot", "3", "--deregistration-delay", "10")
    with lab(home, *arguments) as made:
        yield made


def installed(fleet: TestLab, home: Path) -> list[str]:
    """The release on the disk of each instance of the fleet: nobody but the lab can tell."""
    pages = fleet.client("ec2").describe_instances(Filters=[{"Name": "tag:Role", "Values": ["web"]}])
    alive = [i for r in pages["Reservations"] for i in r["Instances"] if i["State"]["Name"] == "running"]
    volumes = [one["BlockDeviceMappings"][0]["Ebs"]["VolumeId"] for one in alive]
    disks = {path: path.read_text().strip() for path in home.rglob("opt/shop/VERSION")}
    return [next(text for path, text in disks.items() if volume in path.parts) for volume in volumes]


def rolled(ended: Ended, status: str = "succeeded") -> None:
    assert ended.code == 0, ended.err
    assert ended.document["status"] == status
    assert ended.document["instances"]["replaced"] == (2 if status == "succeeded" else 0)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_it_goes_forward_and_back_without_a_lost_request(silent: TestLab, home: Path, way: Way) -> None:
    if not way.always and "EVERY_WAY" not in os.environ:
        pytest.skip("run by `make no-header`")
    way.set(silent)
    plan = silent.run("plan", *JSON)
    assert plan.code == 0, plan.err
    assert plan.document["proof"] == way.known
    with load(silent) as requests:
        rolled(silent.run("rollout", *JSON))
        assert installed(silent, home) == ["2", "2"]
        assert silent.releases() == ["2", "2"]
        rolled(silent.run("rollout", *JSON), "nothing_to_do")
        rolled(silent.run("rollback", *JSON))
        assert installed(silent, home) == ["1", "1"]
        assert silent.releases() == ["1", "1"]
    assert requests["failed"] == 0, requests
    assert "by_release" not in requests


def test_a_host_on_which_another_bundle_was_put_meanwhile_is_given_up_and_the_fleet_goes_back(
    silent: TestLab, home: Path
) -> None:
    IN_PLACE.set(silent)
    with load(silent) as requests:
        rollout = silent.start("rollout", "--soak", "20s", *JSON)
        silent.wait_for(rollout, " attached")
        [marker] = [
            path for path in home.rglob("state.json") if any(part.startswith("vol-") for part in path.parts)
        ]
        marker.write_text(json.dumps({"current": "0" * 64, "previous": None}))
        ended = silent.finish(rollout)
    assert (ended.code, ended.document["status"]) == (1, "rolled_back"), ended.err
    assert f"the marker on its host names the bundle {'0' * 16}" in ended.err
    assert installed(silent, home) == ["1", "1"]
    assert requests["failed"] == 0, requests
