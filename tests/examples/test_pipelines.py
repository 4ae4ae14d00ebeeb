"""The pipeline examples, run step by step against a lab: green on success, red with an annotation on failure."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml

from deployer.view.text import clean
from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "examples" / "pipelines"
GITHUB, GITLAB, JENKINS = (
    PIPELINES / name for name in ("github/deploy.yml", "gitlab/.gitlab-ci.yml", "jenkins/Jenkinsfile")
)
BUCKET, PARAMETER, ROLE = "deployments", "/deploy/web/ssh-key", "deploy-web"
SSM = "arn:aws:ssm:eu-west-1:123456789012:parameter"
NAME = f"tests-pipelines-{os.getpid()}"


@dataclass(frozen=True)
class Ran:
    """How a job ended, and what its runner kept."""

    code: int
    log: str
    summary: str
    annotations: list[dict[str, str]]
    document: dict[str, Any]


class Checkout:
    """A folder as a runner checks it out: settings and bundles, no keys, and a lab behind the endpoint."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.runs = 0

    def run(self, pipeline: Path, job: str, **given: str) -> Ran:
        self.runs += 1
        keep = self.folder / f"run-{self.runs}"
        command = [sys.executable, str(PIPELINES / "run-steps"), str(pipeline), job, "--keep", str(keep)]
        command += [
            word for name, value in given.items() for word in ("--set", f"{name.replace('__', '.')}={value}")
        ]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        found = keep if pipeline == GITHUB else self.folder
        summary = "GITHUB_STEP_SUMMARY" if pipeline == GITHUB else "deployer-summary.md"
        return Ran(
            done.returncode,
            done.stdout,
            (found / summary).read_text(),
            json.loads((keep / "annotations.json").read_text()),
            json.loads((found / "deployer-result.json").read_text()),
        )

    def deployer(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "deployer.cli.main", *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def releases(self) -> set[str]:
        """What the fleet's instances serve."""
        status = json.loads(self.deployer("status", "--output", "json"))
        return {instance["release"] for instance in status["instances"] if instance["phase"] == "in service"}


def settings(text: str, bundles: Path) -> str:
    """The lab's settings as a repository would have them: no key on disk, and a journal that all jobs share."""
    text = re.sub(r"^(key_file|known_hosts) .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^bundle = .*$", f'bundle = "{bundles}/release-{{release}}"', text, flags=re.MULTILINE)
    text = re.sub(r"^path = .*$", f'store = "s3://{BUCKET}/web"', text, flags=re.MULTILINE)
    return text + '\n[fleet.web.rollout.deadlines]\nboot = "10s"\n'


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    outer = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DEPLOYER_", "SSH_"))
    }
    home = folder / "home"
    home.mkdir()
    path = f"{Path(sys.executable).parent}:{outer['PATH']}"
    found = Checkout(folder, {**outer, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "PATH": path})
    up = ("--instances", "2", "--zones", "2", "--boot", "1", "--deregistration-delay", "2")
    exports = found.deployer("lab", "up", "--name", NAME, *up)
    try:
        for line in exports.splitlines():
            found.environment.update([shlex.split(line)[1].split("=", 1)])
        prepare(found, home / "state" / "deployer" / "labs" / NAME / "id_ed25519")
        yield found
    finally:
        found.deployer("lab", "down", "--name", NAME)


def prepare(checkout: Checkout, key: Path) -> None:
    """What a user does once: a bucket, the hosts' key in Parameter Store, the role; and three releases."""
    key_id, secret = (checkout.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    session = boto3.Session(key_id, secret, region_name="eu-west-1")
    endpoint = checkout.environment["AWS_ENDPOINT_URL"]
    session.client("s3", endpoint_url=endpoint).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    session.client("ssm", endpoint_url=endpoint).put_parameter(
        Name=PARAMETER, Value=key.read_text(), Type="SecureString"
    )
    bundles = checkout.folder / "bundles"
    for number in (1, 2):
        shutil.copytree(ROOT / "examples" / "web" / f"release-{number}", bundles / f"release-{number}")
    shutil.copytree(bundles / "release-2", bundles / "release-3")
    (bundles / "release-3" / "shop" / "FAULT").write_text("never\n")
    (bundles / "release-3" / "shop" / "VERSION").write_text("3\n")
    written = checkout.folder / "deployer.toml"
    written.write_text(settings(written.read_text(), bundles))
    policy = json.loads(checkout.deployer("iam-policy", "--from-fleet"))
    policy["Statement"].append({"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": f"{SSM}{PARAMETER}"})
    iam = session.client("iam", endpoint_url=endpoint)
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName=ROLE, PolicyName="fleet", PolicyDocument=json.dumps(policy))


lab = pytest.mark.lab


class TestInALab:
    """In order: each job finds the fleet as the one before left it."""

    pytestmark = lab

    def test_a_rollout_by_github_actions_is_green_and_summed_up(self, checkout: Checkout) -> None:
        ran = checkout.run(GITHUB, "rollout", github__ref_name="2")
        assert ran.code == 0, ran.log
        assert ran.summary.startswith("### deployer: done, fleet `web`, release `1` → `2`\n")
        (annotation,) = ran.annotations
        assert (annotation["level"], annotation["title"]) == ("notice", "deployer: fleet web done")
        assert annotation["text"].startswith("release 1 → 2: 2 of 2 instances in ")
        assert checkout.releases() == {"2"}

    def test_a_release_that_never_turns_healthy_is_red_with_an_annotation(self, checkout: Checkout) -> None:
        ran = checkout.run(GITHUB, "rollout", github__ref_name="3")
        assert ran.code == 1, ran.log
        (annotation,) = ran.annotations
        assert annotation["level"] == "error"
        reason = clean(ran.document["reason"], 2000)
        assert "the FAULT file of this release says so" in reason
        assert annotation["text"].endswith(f"; {reason}")
        assert ran.summary.endswith(f"- reason: `{reason}`\n")
        assert checkout.releases() == {"2"}

    def test_a_rollback_is_a_job_of_its_own_on_another_runner(self, checkout: Checkout) -> None:
        ran = checkout.run(GITHUB, "rollback", inputs__to="")
        assert ran.code == 0, ran.log
        assert ran.document["release"] == {"from": "2", "to": "1"}
        assert [annotation["level"] for annotation in ran.annotations] == ["notice"]
        assert checkout.releases() == {"1"}

    def test_a_rollout_by_gitlab_is_green_and_summed_up(self, checkout: Checkout) -> None:
        ran = checkout.run(GITLAB, "rollout", CI_COMMIT_TAG="2")
        assert ran.code == 0, ran.log
        assert ran.summary.startswith("### deployer: done, fleet `web`, release `1` → `2`\n")
        assert not (checkout.folder.parent / f"{checkout.folder.name}.token").exists()

    def test_a_rollback_by_jenkins_is_green_and_summed_up(self, checkout: Checkout) -> None:
        ran = checkout.run(JENKINS, "Deploy", COMMAND="rollback", RELEASE="")
        assert ran.code == 0, ran.log
        assert ran.summary.startswith("### deployer: done, fleet `web`, release `2` → `1`\n")

    @pytest.mark.parametrize(
        ("pipeline", "job", "given"),
        [
            (GITHUB, "rollout", {"github__ref_name": "9"}),
            (GITLAB, "rollout", {"CI_COMMIT_TAG": "9"}),
            (JENKINS, "Deploy", {"COMMAND": "rollout", "RELEASE": "9"}),
        ],
        ids=["github", "gitlab", "jenkins"],
    )
    def test_a_release_that_is_not_there_is_red_and_told_of(
        self, checkout: Checkout, pipeline: Path, job: str, given: dict[str, str]
    ) -> None:
        ran = checkout.run(pipeline, job, **given)
        assert ran.code not in (0, 1), ran.log
        assert "release-9" in ran.summary
        assert ran.document["status"] == "failed"

    def test_no_job_leaves_an_agent_with_the_key_behind(self, checkout: Checkout) -> None:
        mine = ("ssh-agent", checkout.environment["HOME"])
        left = [one for one in psutil.process_iter() if (one.name(), home_of(one)) == mine]
        assert left == []


def home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("HOME")
    except psutil.Error:
        return None


def test_every_step_of_the_action_takes_its_inputs_from_the_environment_alone() -> None:
    action = yaml.safe_load((PIPELINES / "github" / "action.yml").read_text())
    scripts = [step["run"] for step in action["runs"]["steps"]]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_the_actions_of_others_are_pinned_to_a_commit() -> None:
    jobs = yaml.safe_load(GITHUB.read_text())["jobs"]
    used = {step["uses"] for job in jobs.values() for step in job["steps"]}
    others = {name for name in used if not name.startswith("OWNER/deployer/")}
    assert others
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name) for name in others)


def test_no_pipeline_holds_or_asks_for_a_stored_key() -> None:
    for path in (GITHUB, GITHUB.with_name("action.yml"), GITLAB, JENKINS):
        assert not re.search(r"\{\{ *secrets|ACCESS_KEY|sshUserPrivateKey|usernamePassword", path.read_text()), path
    jobs = yaml.safe_load(GITHUB.read_text())["jobs"]
    assert all(job["permissions"] == {"contents": "read", "id-token": "write"} for job in jobs.values())


def test_what_a_host_says_is_no_command_until_the_token_has_come_back(tmp_path: Path) -> None:
    (tmp_path / "deployer").write_text(LOUD)
    (tmp_path / "deployer").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    (tmp_path / "aws").symlink_to("/bin/true")
    (tmp_path / "ssh-add").symlink_to("/bin/true")
    ran = Checkout(tmp_path, environment).run(GITHUB, "rollout", github__ref_name="2")
    assert "::error title=of a hook::this is not ours" in ran.log
    assert [annotation["text"] for annotation in ran.annotations] == ["of ours"]
    assert ran.code == 3


LOUD = """#!/bin/sh
case $1 in
    report) echo "::notice::of ours" ;;
    *) echo "::error title=of a hook::this is not ours" >&2; echo "{}"; exit 3 ;;
esac
"""
