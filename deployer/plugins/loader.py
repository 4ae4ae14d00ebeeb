"""Finds the class of a plugin: built in, of an installed package by entry point, or the user's own by path."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from deployer.config.nearest import did_you_mean
from deployer.config.ownership import why_not_ours
from deployer.config.written import written
from deployer.plugins.family import Family, is_path


class NotFound(Exception):
    """There is no such plugin. The text is the rest of a sentence about its name: `is "x", which …`."""


def find_plugin(family: Family, name: str, folder: Path) -> type[Any]:
    """The class of that name; `path/to/file.py:Class` is read relative to `folder`. Raises NotFound.

    The module is imported, and so its code is run.
    """
    return _own(name, folder) if is_path(name) else _installed(family, name)


def entry_of(family: Family, name: str) -> EntryPoint:
    """Where an installed plugin is. Raises NotFound with what may have been meant."""
    point = family.point(name)
    if point is None:
        known = family.names()
        guess = did_you_mean(name, known)
        listed = "" if guess.startswith("; known") else f" Known: {', '.join(known)};"
        path = "" if listed else ";"
        raise NotFound(
            f"is {written(name)}, which is no {family.word} that is installed{guess}{listed or path} "
            "one of your own is named as path/to/file.py:Class"
        )
    return point


def file_of(name: str, folder: Path) -> tuple[Path, str]:
    """The file and the class that `path/to/file.py:Class` names. Raises NotFound where there is no such file."""
    place, _, class_name = name.rpartition(":")
    path = (folder / Path(place).expanduser()).resolve()
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", class_name) or path.suffix != ".py":
        raise NotFound(f"is {written(name)}; expected path/to/file.py:Class")
    if not path.is_file():
        raise NotFound(f"is {written(name)}, but there is no file {path}")
    if (why := why_not_ours(folder / Path(place).expanduser())) is not None:
        raise NotFound(f"is {written(name)}, but {path} {why}")
    return path, class_name


def _installed(family: Family, name: str) -> type[Any]:
    point = entry_of(family, name)
    try:
        found = point.load()
    except Exception as error:  # another's package may raise anything; it is told as theirs
        raise NotFound(f"is {written(name)}, but {point.value} could not be loaded: {error}") from error
    if not isinstance(found, type):
        raise NotFound(f"is {written(name)}, but {point.value} is no class")
    return found


def _own(name: str, folder: Path) -> type[Any]:
    path, class_name = file_of(name, folder)
    spec = importlib.util.spec_from_file_location(f"deployer_own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise NotFound(f"is {written(name)}, but {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses with postponed annotations look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything; it is told as theirs
        raise NotFound(f"is {written(name)}, but {path} could not be loaded: {error}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise NotFound(f"is {written(name)}, but {path} has no class {class_name}")
    return found
