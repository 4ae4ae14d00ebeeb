"""Copies of the sources in which a guard is taken away."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COPIED = ("deployer", "strategies", "hooks", "tests", "examples", "pyproject.toml")


def copy_sources(folder: Path) -> Path:
    """Copies what the program and its tests are made of into the new folder; returns it."""
    folder.mkdir()
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".*")
            )
        else:
            shutil.copy(source, folder / name)
    return folder


def without(text: str, guard: str, hole: str, where: str) -> str:
    """The text with `hole` in place of `guard`. Raises SystemExit unless the guard is there exactly once."""
    if text.count(guard) != 1:
        raise SystemExit(f"{where}: expected exactly once, found {text.count(guard)} times: {guard!r}")
    return text.replace(guard, hole)
