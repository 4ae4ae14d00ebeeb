"""The release as a user has it: built by `make dist`, installed with hashes into an empty environment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.lab


def run(*command: str | Path, cwd: Path, seconds: float = 280) -> subprocess.CompletedProcess[str]:
    """Runs a command in an environment that knows nothing of this checkout."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DEPLOYER", "AWS"))
    }
    home = {"HOME": str(cwd), "XDG_STATE_HOME": str(cwd / "state")}
    return subprocess.run(
        command, cwd=cwd, env={**clean, **home}, capture_output=True, text=True, timeout=seconds, check=False
    )


def built(revision: str, folder: Path) -> dict[str, bytes]:
    """What `.ci/dist` makes of a commit."""
    done = run(sys.executable, ROOT / ".ci/dist", revision, folder, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def git(*words: str) -> str:
    """What git prints."""
    return subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def revision() -> str:
    """A commit of the tree as it is, uncommitted changes to tracked files among it."""
    return git("stash", "create") or git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def dist(revision: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the release."""
    folder = tmp_path_factory.mktemp("dist")
    built(revision, folder)
    return folder


def install(folder: Path, dist: Path, lock: str) -> Path:
    """A new environment with the wheel and what the lock names; returns its folder of programs."""
    venv.create(folder, with_pip=True)
    [wheel] = dist.glob("*.whl")
    ours = folder / "wheel.txt"
    ours.write_text(f"deployer @ {wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*pip, "-r", str(ROOT / lock), "-r", str(ours)], capture_output=True, text=True, timeout=280, check=False
    )
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip(f"no index to install from: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    checked = subprocess.run(
        [folder / "bin/python", "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    return folder / "bin"


def test_the_same_commit_gives_the_same_bytes(revision: str, dist: Path, tmp_path: Path) -> None:
    again = built(revision, tmp_path)
    assert again == {path.name: path.read_bytes() for path in dist.iterdir()}
    assert {Path(name).suffix for name in again} == {".whl", ".gz", ".json", ""}


def test_the_bill_of_materials_names_the_locked_versions(dist: Path) -> None:
    [path] = dist.glob("*.cdx.json")
    components = {part["name"]: part["version"] for part in json.loads(path.read_text())["components"]}
    pins = [
        line.split(" ")[0] for line in (ROOT / "requirements-lab.lock").read_text().splitlines() if "==" in line
    ]
    wanted = dict(pin.split("==") for pin in pins if pin)
    assert wanted
    assert components == wanted


def test_the_wheel_with_the_lab_runs_a_demo_from_another_folder(dist: Path, tmp_path: Path) -> None:
    programs = install(tmp_path / "environment", dist, "requirements-lab.lock")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    small = ["--instances", "4", "--rate", "40", "--method", "in-place", "--batch", "1"]
    done = run(programs / "deployer", "demo", *small, "--output", "json", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "succeeded"
    assert document["requests"]["failed"] == 0
    assert document["requests"]["sent"] > 100


def test_without_the_extra_the_lab_says_in_one_sentence_what_to_install(dist: Path, tmp_path: Path) -> None:
    programs = install(tmp_path / "environment", dist, "requirements-cli.lock")
    for words in (["demo"], ["lab", "up"], ["lab", "status"], ["lab", "load"], ["lab", "fault"]):
        done = run(programs / "deployer", *words, cwd=tmp_path)
        assert done.returncode == 2, words
        assert done.stderr.startswith(f"error: `deployer {' '.join(words)}` needs the lab, which is not installed")
        assert 'pip install "deployer[lab]"' in done.stderr
        assert done.stderr.count("\n") == 1
    assert run(programs / "deployer", "lab", "up", "--help", cwd=tmp_path).returncode == 0
    plan = run(programs / "deployer", "rehearse", cwd=tmp_path)
    assert plan.stderr.startswith("error: there is no deployer.toml"), "the twin needs no extra"
