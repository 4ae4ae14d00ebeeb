"""A lab with a fleet of three, as a user starts it, and clients for it."""

from __future__ import annotations

import io
import json
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import paramiko
import pytest

from deployer.lab.examples import web_release
from tests.patience import PATIENCE

BUCKET = "deploys"
ROLE = "arn:aws:iam::123456789012:role/codedeploy"
APPLICATION = "shop"


@dataclass
class CodeDeployLab:
    """A running lab and what tests do with it."""

    environment: dict[str, str]

    def client(self, name: str) -> Any:
        given = self.environment
        return boto3.client(
            name,  # type: ignore[call-overload]
            endpoint_url=given["AWS_ENDPOINT_URL"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            region_name=given["AWS_REGION"],
        )

    @property
    def deploy(self) -> Any:
        return self.client("codedeploy")

    def push(self, key: str, release: int, **changed: str) -> dict[str, Any]:
        """A revision in S3: the worked example's bundle, with some files changed."""
        folder = web_release(release)
        files = {
            path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
        }
        return self.push_files(key, {**files, **changed})

    def push_files(self, key: str, files: Mapping[str, str]) -> dict[str, Any]:
        """A revision in S3 of these files by name."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in sorted(files.items()):
                entry = zipfile.ZipInfo(name)
                # Without a mode an entry is its owner's alone, and the service is not root's.
                entry.external_attr = (stat.S_IFREG | (0o755 if text.startswith("#!") else 0o644)) << 16
                archive.writestr(entry, text)
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())
        return {"revisionType": "S3", "s3Location": {"bucket": BUCKET, "key": key, "bundleType": "zip"}}

    def group(self, name: str, **settings: Any) -> str:
        """A deployment group of the fleet behind its balancer, one at a time unless told otherwise."""
        self.deploy.create_deployment_group(
            applicationName=APPLICATION,
            deploymentGroupName=name,
            serviceRoleArn=ROLE,
            **{
                "ec2TagFilters": [{"Key": "Role", "Value": "web", "Type": "KEY_AND_VALUE"}],
                "deploymentStyle": {
                    "deploymentType": "IN_PLACE",
                    "deploymentOption": "WITH_TRAFFIC_CONTROL",
                },
                "loadBalancerInfo": {"targetGroupInfoList": [{"name": "shop-web"}]},
                **settings,
            },
        )
        return name

    def start(self, group: str, revision: dict[str, Any], **settings: Any) -> str:
        """Creates a deployment; returns its id."""
        made = self.deploy.create_deployment(
            applicationName=APPLICATION, deploymentGroupName=group, revision=revision, **settings
        )
        return str(made["deploymentId"])

    def info(self, deployment: str) -> dict[str, Any]:
        found: dict[str, Any] = self.deploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
        return found

    def until(self, deployment: str, *statuses: str) -> dict[str, Any]:
        """Waits for one of the statuses."""
        found: dict[str, Any] = wait_until(lambda: (now := self.info(deployment))["status"] in statuses and now)
        return found

    def targets(self, deployment: str) -> dict[str, Any]:
        """The targets by instance, with their events by name."""
        ids = self.deploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
        found = self.deploy.batch_get_deployment_targets(deploymentId=deployment, targetIds=ids)
        return {t["instanceTarget"]["targetId"]: t["instanceTarget"] for t in found["deploymentTargets"]}

    def on_a_machine(self, script: str) -> str:
        """What a shell script says on one of the instances, run there as root."""
        running = [{"Name": "instance-state-name", "Values": ["running"]}]
        found = self.client("ec2").describe_instances(Filters=running)["Reservations"]
        home = Path(self.environment["DEPLOYER_LAB_HOME"]) / "lab"
        with paramiko.SSHClient() as client:
            client.load_host_keys(str(home / "known_hosts"))
            client.connect(
                found[0]["Instances"][0]["PrivateIpAddress"],
                json.loads((home / "lab.json").read_text())["ssh_port"],
                username="ec2-user",
                key_filename=str(home / "id_ed25519"),
                look_for_keys=False,
                allow_agent=False,
            )
            _, out, problems = client.exec_command(f"sudo sh -c {shlex.quote(script)}", timeout=PATIENCE)
            said = out.read().decode().strip()
            assert out.channel.recv_exit_status() == 0, problems.read()
            return said

    def healthy(self) -> int:
        """How many targets the balancer finds healthy."""
        elbv2 = self.client("elbv2")
        arn = elbv2.describe_target_groups(Names=["shop-web"])["TargetGroups"][0]["TargetGroupArn"]
        states = elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return sum(1 for one in states if one["TargetHealth"]["State"] == "healthy")


def wait_until(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value; fails after a generous time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := true():
            return value
        time.sleep(0.2)
    pytest.fail(f"did not come true within {seconds:g} s")


@pytest.fixture(scope="module")
def lab() -> Iterator[CodeDeployLab]:
    with tempfile.TemporaryDirectory(prefix="deployer-test-") as folder:
        home = Path(folder)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "DEPLOYER_LAB_HOME": str(home / "labs")}
        command = [str(Path(sys.executable).parent / "deployer"), "lab"]
        up = subprocess.run(
            [*command, "up", "--instances", "3", "--zones", "2", "--deregistration-delay", "2"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        try:
            words = [shlex.split(line)[1].partition("=") for line in up.stdout.splitlines()]
            made = CodeDeployLab({**environment, **{name: value for name, _, value in words}})
            made.client("s3").create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
            made.deploy.create_application(applicationName=APPLICATION, computePlatform="Server")
            yield made
        finally:
            subprocess.run([*command, "down"], cwd=folder, env=environment, timeout=PATIENCE, check=True)
