"""A user's shell beside a running lab whose fleet is deployed to with CodeDeploy."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployer.lab.examples import web_release
from tests.patience import PATIENCE

DEPLOYER = str(Path(sys.executable).parent / "deployer")
APPLICATION, GROUP = "deployer-web", "web-in-place"


@dataclass
class Shell:
    """A user's shell beside a running lab."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`deployer …`, to its end."""
        return subprocess.run(
            [DEPLOYER, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """`deployer …`, not waited for."""
        return subprocess.Popen(
            [DEPLOYER, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def client(self, name: str) -> Any:
        given = self.environment
        return boto3.client(
            name,  # type: ignore[call-overload]
            endpoint_url=given["AWS_ENDPOINT_URL"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            region_name=given["AWS_REGION"],
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--output", "json").stdout)
        return found

    def releases(self) -> set[str]:
        """The releases that the fleet serves."""
        return {one["release"] for one in self.status()["instances"] if one["state"] == "running"}

    def other(self) -> str:
        """The release that the fleet does not serve."""
        return "1" if self.releases() == {"2"} else "2"

    def deployments(self) -> list[str]:
        """The ids of the in-place group's deployments, the newest first."""
        api = self.client("codedeploy")
        names = {"applicationName": APPLICATION, "deploymentGroupName": GROUP}
        try:
            found: list[str] = api.list_deployments(**names)["deployments"]
        except (
            api.exceptions.ApplicationDoesNotExistException,
            api.exceptions.DeploymentGroupDoesNotExistException,
        ):
            return []
        return found

    def deployment(self) -> dict[str, Any]:
        """The newest of them; empty while there is none."""
        ids = self.deployments()
        if not ids:
            return {}
        info: dict[str, Any] = self.client("codedeploy").get_deployment(deploymentId=ids[0])["deploymentInfo"]
        return info

    def disks(self) -> dict[str, Path]:
        """The disk of each running instance, by its id: a folder."""
        found = self.client("ec2").describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["running"]}]
        )
        volumes = self.folder / "labs" / "lab" / "volumes"
        return {
            one["InstanceId"]: volumes / one["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
            for reservation in found["Reservations"]
            for one in reservation["Instances"]
        }


@contextmanager
def a_lab(*words: str) -> Iterator[Shell]:
    """A lab that is up, and down again at the end; `words` go to `deployer lab up`."""
    with tempfile.TemporaryDirectory(prefix="deployer-test-") as folder:
        home = Path(folder)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": folder,
            "DEPLOYER_LAB_HOME": str(home / "labs"),
            "DEPLOYER_BACKEND": "codedeploy",
        }
        plain = Shell(home, environment)
        up = plain.run("lab", "up", "--deregistration-delay", "2", *words)
        assert up.returncode == 0, up.stderr
        exports = [shlex.split(line)[1].partition("=") for line in up.stdout.splitlines()]
        try:
            yield Shell(home, {**environment, **{name: value for name, _, value in exports}})
        finally:
            assert plain.run("lab", "down").returncode == 0


def until(true: Callable[[], Any]) -> Any:
    """The first true value; fails after a generous time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if value := true():
            return value
        time.sleep(0.2)
    pytest.fail(f"did not come true within {PATIENCE:g} s")


def document(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON document on standard output."""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def broken(folder: Path, goal: str, hook: str) -> str:
    """The example's releases, of which the goal fails in a hook; as a bundle setting."""
    for number in (1, 2):
        shutil.copytree(web_release(number), folder / f"release-{number}")
    script = folder / f"release-{goal}" / "hooks" / hook
    script.write_text("#!/bin/sh\necho the shop has no shelves\nexit 7\n")
    return f"{folder}/release-{{release}}"
