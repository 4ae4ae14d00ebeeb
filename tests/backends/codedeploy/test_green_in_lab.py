"""Blue/green by the lab's CodeDeploy, by the public command line, with the worked example's own bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.codedeploy.shell import Shell, broken, document

pytestmark = pytest.mark.lab


def test_green_instances_take_over_and_blue_ones_are_gone(shell: Shell) -> None:
    goal = shell.other()
    before = {one["id"] for one in shell.status()["instances"]}

    done = shell.run("rollout", "--release", goal, "--strategy", "blue-green", "--output", "json")

    assert done.returncode == 0, done.stderr
    found = document(done)
    assert found["in_service"]["lowest"] >= 4
    assert found["surge"] == {"limit": 4, "highest": 4}
    assert set(found["instances"]["old"]) == before
    assert not set(found["instances"]["new"]) & before
    assert shell.releases() == {goal}
    assert shell.status()["in_service"] == 4


def test_green_instances_that_fail_are_gone_again_and_blue_never_lost_its_traffic(
    shell: Shell, tmp_path: Path
) -> None:
    was, goal = shell.releases(), shell.other()
    before = {one["id"] for one in shell.status()["instances"]}
    words = ("--strategy", "blue-green", "--bundle", broken(tmp_path, goal, "validate-service"))

    done = shell.run("rollout", "--release", goal, *words, "--output", "json")

    assert done.returncode == 1, done.stderr
    found = document(done)
    assert (found["status"], found["in_service"]["lowest"]) == ("rolled_back", 4)
    assert "the shop has no shelves" in done.stderr
    assert shell.releases() == was
    assert {one["id"] for one in shell.status()["instances"] if one["state"] == "running"} == before
