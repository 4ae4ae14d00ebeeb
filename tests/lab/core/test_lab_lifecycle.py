"""`deployer lab up` and `down` as a user runs them: processes of their own, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import psutil
import pytest

from deployer.lab.home import OWNER_MARK, LabHome
from tests.lab.core.bench import until
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab


@dataclass
class Shell:
    """A user's shell: a folder and an environment."""

    folder: Path
    labs: Path

    def lab(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """`deployer lab …`."""
        return subprocess.run(
            [str(Path(sys.executable).parent / "deployer"), "lab", *words],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "DEPLOYER_LAB_HOME": str(self.labs),
                **extra,
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def up(self, *words: str, **extra: str) -> dict[str, str]:
        """Starts a small lab; returns what it exports."""
        done = self.lab("up", "--instances", "2", "--zones", "2", *words, **extra)
        assert done.returncode == 0, done.stderr
        return exports(done.stdout)

    def processes(self, name: str) -> list[psutil.Process]:
        """All processes of the lab called `name`."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(OWNER_MARK) == str(self.labs / name):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


def exports(text: str) -> dict[str, str]:
    """What a shell would make of the lines; there must be no others."""
    found = {}
    for line in text.splitlines():
        assert line.startswith("export "), line
        found.update(word.split("=", 1) for word in shlex.split(line)[1:] if "=" in word)
    return found


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "work"
    folder.mkdir()
    found = Shell(folder, tmp_path / "labs")
    yield found
    found.lab("down", "--all")


def states(settings: dict[str, str]) -> list[str]:
    ec2 = boto3.client(
        "ec2",
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        region_name=settings["AWS_REGION"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    return [i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]


def test_up_prints_only_exports_and_leads_to_a_fleet_in_service(shell: Shell) -> None:
    settings = shell.up()
    assert states(settings) == ["running", "running"]
    assert settings["AWS_EC2_METADATA_DISABLED"] == "true"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", settings["AWS_ENDPOINT_URL"])
    shown = json.loads(shell.lab("status", "--output", "json").stdout)["labs"][0]
    assert shown["running"]
    assert len(shown["instances"]) == 2
    text = (shell.folder / "deployer.toml").read_text()
    assert 'name   = "2"' in text
    assert "release-{release}" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_of_the_machine_can_neither_read_the_key_nor_call(shell: Shell) -> None:
    settings = shell.up()
    keys = LabHome(shell.labs / "lab").keys
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    body = "Action=RunInstances&ImageId=ami-1&MinCount=1&MaxCount=1&Version=2016-11-15"
    made_up = "AWS4-HMAC-SHA256 Credential=x/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=00"
    script = f"""
import encodings.idna, http.client, os
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
try:
    open({str(keys)!r})
except PermissionError:
    print("unreadable")
at = {settings["AWS_ENDPOINT_URL"]!r}.removeprefix("http://")
kind = {{"Content-Type": "application/x-www-form-urlencoded"}}
for headers in (kind, {{**kind, "Authorization": {made_up!r}}}):
    connection = http.client.HTTPConnection(at)
    connection.request("POST", "/", {body!r}, headers)
    print(connection.getresponse().status)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["unreadable", "403", "401"], done.stderr
    assert len(states(settings)) == 2


def test_up_twice_says_that_it_runs_and_prints_the_same_exports(shell: Shell) -> None:
    first = shell.up()
    done = shell.lab("up")
    assert exports(done.stdout) == first
    assert "already runs" in done.stderr


def test_down_leaves_no_process_and_no_folder(shell: Shell) -> None:
    shell.up()
    assert shell.processes("lab")
    assert shell.lab("down").returncode == 0
    assert shell.processes("lab") == []
    assert not (shell.labs / "lab").exists()
    assert "there is no lab lab" in shell.lab("down").stderr


def test_a_killed_lab_leaves_no_process_and_down_clears_its_folder(shell: Shell) -> None:
    shell.up()
    facts = LabHome(shell.labs / "lab").alive()
    assert facts is not None
    os.kill(facts.process.pid, signal.SIGKILL)
    until(lambda: shell.processes("lab") == [], "every process is gone")
    status = shell.lab("status")
    assert status.returncode == 1
    assert "not running" in status.stdout
    assert shell.lab("down").returncode == 0
    assert not (shell.labs / "lab").exists()


def test_up_after_a_kill_starts_anew(shell: Shell) -> None:
    shell.up()
    facts = LabHome(shell.labs / "lab").alive()
    assert facts is not None
    os.kill(facts.process.pid, signal.SIGKILL)
    assert states(shell.up()) == ["running", "running"]


def test_two_labs_run_side_by_side_and_end_one_by_one(shell: Shell) -> None:
    one, two = shell.up("--name", "one"), shell.up("--name", "two")
    assert one["AWS_ENDPOINT_URL"] != two["AWS_ENDPOINT_URL"]
    assert shell.lab("down", "--name", "one").returncode == 0
    assert states(two) == ["running", "running"]
    assert shell.processes("one") == []


def test_nothing_of_a_real_account_stays_in_the_exports(shell: Shell) -> None:
    stray = {"AWS_ENDPOINT_URL_EC2": "https://ec2.amazonaws.com", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    given = {"AWS_PROFILE": "prod", "HTTPS_PROXY": "http://proxy:3128", **stray}
    done = shell.lab("up", "--instances", "1", "--zones", "1", **given)
    assert done.returncode == 0, done.stderr
    shown = " ".join(f"{name}={value}" for name, value in stray.items())
    script = f"export AWS_PROFILE=prod {shown}\n{done.stdout}\nenv"
    seen = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=True
    )
    assert "AWS_PROFILE" not in seen.stdout
    assert all(name not in seen.stdout for name in stray)
    assert "NO_PROXY=127.0.0.0/8" in seen.stdout


def test_the_ssh_command_of_the_system_reaches_an_instance_by_the_labs_configuration(shell: Shell) -> None:
    ssh = shutil.which("ssh")
    if ssh is None:
        pytest.skip("there is no ssh command here")
    shell.up()
    address = json.loads(shell.lab("status", "--output", "json").stdout)["labs"][0]["instances"][0]["address"]
    config = shell.labs / "lab" / "ssh_config"
    done = subprocess.run(
        [ssh, "-F", str(config), address, "echo $HOST"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout.strip() == address, done.stderr


def test_an_existing_settings_file_is_left_alone(shell: Shell) -> None:
    (shell.folder / "deployer.toml").write_text("# mine\n")
    shell.up()
    assert (shell.folder / "deployer.toml").read_text() == "# mine\n"


@pytest.mark.parametrize("words", [["--zones", "3", "--instances", "2"], ["--name", "../x"], ["--instances", "0"]])
def test_a_bad_option_is_one_sentence_and_exit_code_2(shell: Shell, words: list[str]) -> None:
    done = shell.lab("up", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
