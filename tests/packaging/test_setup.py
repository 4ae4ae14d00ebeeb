"""`make venv` where the index is newer than the lock, with an old pip and a new one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.wheels import locked, write_wheel

ROOT = Path(__file__).parents[2]
OLD_PIP = "23.0.1"
"""The pip of Debian 12, which resolves an extra before it sees the pin."""

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "program"
version = "1"
dependencies = ["needs>=1"]
"""

BACKEND = """
from pathlib import Path
from tests_wheels import write_wheel


def build_editable(folder, config_settings=None, metadata_directory=None):
    return write_wheel(Path(folder), "program", "1", requires=["needs>=1"]).name
"""

PYTHON = """#!/bin/sh
# Any `python -m venv FOLDER` ends with the pip that is tested.
"{python}" "$@" || exit
test "$1 $2" != "-m venv" || "$3/bin/python" -m pip install --quiet --no-index --no-deps "{pip}"
"""


@pytest.fixture(scope="module")
def pips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pips: the old one, and the newest that the lock names."""
    folder = tmp_path_factory.mktemp("pips")
    for version in (OLD_PIP, newest_pip()):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        got = subprocess.run(
            [*command, f"pip=={version}"], capture_output=True, text=True, timeout=240, check=False
        )
        if got.returncode:
            pytest.skip(f"no index to get pip {version} from: {got.stderr.strip()[-200:]}")
    return folder


def newest_pip() -> str:
    """The version of pip in the lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("pip==")]
    return line.removeprefix("pip==").rstrip(" \\")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project with this Makefile and a lock of two parts, whose index has since got a newer second part."""
    index = tmp_path / "index"
    index.mkdir()
    needs = write_wheel(index, "needs", "1", requires=["covered[toml]>=1"])
    covered = write_wheel(index, "covered", "1", extras=["toml"])
    write_wheel(index, "covered", "2", extras=["toml"])
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(Path(__file__).with_name("wheels.py"), folder / "tests_wheels.py")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "requirements.lock").write_text(locked("needs", "1", needs) + locked("covered", "1", covered))
    return folder


def make_venv(checkout: Path, pip: Path) -> subprocess.CompletedProcess[str]:
    """Runs `make venv` there with that pip; the only index is the folder beside it."""
    python = checkout / "python"
    python.write_text(PYTHON.format(python=sys.executable, pip=pip))
    python.chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "venv", f"PYTHON={python}"],
        cwd=checkout,
        env={
            **clean,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(checkout.parent / "index"),
            "PIP_CONFIG_FILE": os.devnull,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def installed(checkout: Path) -> dict[str, str]:
    """What is in the environment, by name."""
    listed = subprocess.run(
        [checkout / ".venv/bin/python", "-m", "pip", "list", "--format", "freeze"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return dict(line.split("==") for line in listed.stdout.splitlines())


@pytest.mark.parametrize("version", [OLD_PIP, newest_pip()])
def test_the_lock_is_installed_though_the_index_offers_something_newer(
    version: str, checkout: Path, pips: Path
) -> None:
    made = make_venv(checkout, pips / f"pip-{version}-py3-none-any.whl")
    assert made.returncode == 0, made.stderr
    there = installed(checkout)
    assert {name: there[name] for name in ("pip", "needs", "covered", "program")} == {
        "pip": version,
        "needs": "1",
        "covered": "1",
        "program": "1",
    }


def test_a_lock_that_lacks_a_part_is_refused_by_name(checkout: Path, pips: Path) -> None:
    lock = checkout / "requirements.lock"
    lock.write_text("".join(line for line in lock.read_text().splitlines(keepends=True) if "covered" not in line))
    made = make_venv(checkout, pips / f"pip-{newest_pip()}-py3-none-any.whl")
    assert made.returncode != 0
    assert "covered" in made.stdout + made.stderr
    assert not (checkout / ".venv/.stamp").exists()


def test_the_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
    pins = [line for line in lock.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert pins
    assert all(line.endswith("\\") for line in pins), "a pin without a hash behind it"
