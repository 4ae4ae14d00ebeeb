"""Another tool's deployment against the lab: Ansible, which replaces a group's instances batch by batch."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.lab import TestLab, lab, load
from tests.patience import PATIENCE

PLAYBOOK = Path(__file__).parents[2] / "examples" / "ansible" / "replace-all.yml"
ANSIBLE = shutil.which("ansible-playbook")

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        ANSIBLE is None,
        reason="ansible-playbook is not on the PATH; `pip install ansible boto3` into a venv of its own brings it",
    ),
]


def replace_all(made: TestLab, image: str) -> subprocess.CompletedProcess[str]:
    """Runs the example's playbook to its end."""
    assert ANSIBLE is not None
    command = [ANSIBLE, "-i", "localhost,", "-e", f"image={image}", str(PLAYBOOK)]
    environment = {key: value for key, value in made.environment.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_ansible_replaces_every_instance_of_a_group_and_leaves_its_limits_as_they_were(tmp_path: Path) -> None:
    with lab(tmp_path, "--instances", "4", "--group", "--deregistration-delay", "5") as made:
        baked = made.run("bake", "--output", "json")
        assert baked.code == 0, baked.err
        before = made.alive()
        with load(made) as requests:
            done = replace_all(made, baked.document["image"])
        assert done.returncode == 0, done.stdout + done.stderr
        assert made.releases() == ["2"] * 4
        assert not set(before) & set(made.alive())
        [group] = made.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (4, 8, 4)
        assert {one["LaunchTemplate"]["Version"] for one in group["Instances"]} == {"2"}
        assert requests["failed"] == 0
