"""`deployer init --from-…` writes settings that a plan can be made with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.config.settings import FleetSettings
from tests.lab.codedeploy.conftest import CodeDeployLab

pytestmark = pytest.mark.lab

PROGRAM = str(Path(sys.executable).parent / "deployer")


def init(lab: CodeDeployLab, folder: Path, *origin: str) -> subprocess.CompletedProcess[str]:
    """Runs `deployer init` in a folder, with the lab as its AWS."""
    return subprocess.run(
        [PROGRAM, "init", *origin],
        cwd=folder,
        env=lab.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def initialised(lab: CodeDeployLab, folder: Path, *origin: str) -> tuple[FleetSettings, str]:
    """The settings that are written, and what was said."""
    done = init(lab, folder, *origin)
    assert done.returncode == 0, done.stderr
    return read_fleets(read_document(folder / "deployer.toml"))["web"], done.stderr


def test_a_deployment_group_is_translated(lab: CodeDeployLab, tmp_path: Path) -> None:
    lab.deploy.create_deployment_config(
        deploymentConfigName="two-stay", minimumHealthyHosts={"type": "HOST_COUNT", "value": 2}
    )
    name = lab.group("translated", deploymentConfigName="two-stay", triggerConfigurations=[trigger()])
    settings, said = initialised(lab, tmp_path, "--from-codedeploy", f"shop/{name}")
    assert settings.find.tags == {"Role": "web"}
    assert settings.balancers == ("shop-web",)
    assert (settings.health.port, settings.health.path) == (8080, "/healthz")
    assert [str(batch) for batch in settings.rollout.batch] == ["1"], "2 of 3 stay"
    assert (settings.codedeploy.application, settings.codedeploy.group) == ("shop", name)
    assert "found 3 instances behind shop-web" in said
    assert "no counterpart: the trigger told to arn:aws:sns:eu-west-1:123456789012:told" in said


def trigger() -> dict[str, Any]:
    return {
        "triggerName": "told",
        "triggerTargetArn": "arn:aws:sns:eu-west-1:123456789012:told",
        "triggerEvents": ["DeploymentFailure"],
    }


def test_a_target_groups_instances_are_found_by_what_they_have_in_common(
    lab: CodeDeployLab, tmp_path: Path
) -> None:
    settings, _ = initialised(lab, tmp_path, "--from-target-group", "shop-web")
    assert settings.find.tags is not None
    assert settings.find.tags["Role"] == "web"
    assert settings.balancers == ("shop-web",)
    assert (settings.health.port, settings.health.path) == (8080, "/healthz")


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [
        (["--from-codedeploy", "shop/nowhere"], "there is no deployment group 'nowhere'"),
        (["--from-target-group", "nowhere"], "there is no target group 'nowhere'"),
        (["--from-asg", "nowhere"], "nowhere"),
    ],
)
def test_what_does_not_exist_is_one_sentence_and_writes_nothing(
    origin: list[str], sentence: str, lab: CodeDeployLab, tmp_path: Path
) -> None:
    done = init(lab, tmp_path, *origin)
    assert done.returncode == 5
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
    assert not (tmp_path / "deployer.toml").exists()
