"""What is installed: the folders at the top under the program's own name, and no bare name of anybody else's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SOURCES = ("deployer", "strategies", "hooks", "examples", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a wheel that was built from a copy of the sources, links kept as links."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in SOURCES:
        path = ROOT / name
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(path, tree / name, symlinks=True, ignore=skip) if path.is_dir() else shutil.copy(path, tree)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run(
        [*command, "--wheel-dir", str(folder), str(tree)], check=True, capture_output=True, timeout=PATIENCE
    )
    [built] = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_strategies_and_hooks_are_installed_below_the_programs_name(wheel: list[str]) -> None:
    assert {"deployer/strategies/rolling.py", "deployer/hooks/contract.py", "deployer/py.typed"} <= set(wheel)


def test_no_bare_name_is_taken_in_site_packages(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"deployer"}
