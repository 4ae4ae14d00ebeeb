"""`deployer check`: everything that is wrong in a settings file, of all fleets. Nothing is asked of AWS.

Of our own plugins the code is run, which only looks at the settings. Others are read and not run: what only running
them could tell is told to be open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.config.document import Document, Problem
from deployer.config.reader import read_all
from deployer.config.written import written
from deployer.plugins.factory import Use, below, make, read_use
from deployer.plugins.family import GATE, HOOK, Family, is_ours, is_path
from deployer.plugins.faults import PluginRefused
from deployer.plugins.loader import NotFound, entry_of, file_of
from deployer.plugins.source import NoPlugin, Sketch, Unclear, read_source
from deployer.plugins.uses import twins, uses_in


@dataclass(frozen=True)
class Checked:
    """What was found: the fleets of the file, its problems in their order, and what could not be looked into."""

    fleets: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def check(document: Document) -> Checked:
    """Everything that is wrong in a document."""
    problems, notes = list(read_all(document).problems), []
    fleets = _fleets(document)
    for name, table in fleets.items():
        found = [*_names(table)]
        for use in uses_in(table):
            try:
                found += below(use, wrong_with(use, document.path.parent))
            except Unclear as unclear:
                notes.append(f"fleet {name}: {use.family.word} {use.name} was not looked into: {unclear}")
        problems += [one.below(("fleet", name)) for one in found]
    return Checked(tuple(fleets), document.in_order(problems), tuple(notes))


def _fleets(document: Document) -> Mapping[str, Mapping[str, object]]:
    """The tables of the fleets, as far as they are tables."""
    fleets = document.table.get("fleet")
    return {name: one for name, one in fleets.items() if isinstance(one, dict)} if isinstance(fleets, dict) else {}


def _names(table: Mapping[str, object]) -> Iterator[Problem]:
    """Hooks and gates of one name."""
    for family in (HOOK, GATE):
        values = table.get(f"{family.word}s")
        found = [one.get("name") for one in values if isinstance(one, dict)] if isinstance(values, list) else []
        yield from twins([name if isinstance(name, str) else None for name in found], family.word)


def wrong_with(use: Use, folder: Path) -> Sequence[Problem]:
    """What is wrong with one use of a plugin, below its table; only code of ours is run. Raises Unclear."""
    try:
        if is_path(use.name):
            path, class_name = file_of(use.name, folder)
            return _as_its_source_says(use, path, class_name, folder)
        point = entry_of(use.family, use.name)
    except NotFound as missing:
        return [use.wrong(str(missing))]
    if is_ours(point):
        return _refused(use, folder)
    path = _file_of_package(use.family, use.name)
    return _as_its_source_says(use, path, point.attr, folder)


def _refused(use: Use, folder: Path) -> Sequence[Problem]:
    """What a plugin of ours says when it is made."""
    try:
        make(use, folder)
    except PluginRefused as refused:
        return refused.problems
    return []


def source_of(use: Use, folder: Path) -> Sketch | None:
    """What the source of another's plugin shows; None for one of ours, and for one that does not show itself."""
    try:
        if is_path(use.name):
            return read_source(*file_of(use.name, folder))
        point = entry_of(use.family, use.name)
        return None if is_ours(point) else read_source(_file_of_package(use.family, use.name), point.attr)
    except (NotFound, NoPlugin, Unclear):
        return None


def _file_of_package(family: Family, name: str) -> Path:
    """The file of another package's plugin, as its installation lists it. Raises Unclear."""
    point = family.point(name)
    if point is not None and point.dist is not None:
        place = point.module.replace(".", "/")
        for candidate in (f"{place}.py", f"{place}/__init__.py"):
            path = Path(str(point.dist.locate_file(candidate)))
            if path.is_file():
                return path
    raise Unclear("its package does not say in which file it is, and it is not imported here")


def _as_its_source_says(use: Use, path: Path, class_name: str, folder: Path) -> list[Problem]:
    try:
        sketch = read_source(path, class_name)
    except NoPlugin as missing:
        return [use.wrong(f"is {written(use.name)}, but {path} {missing}")]
    family = use.family
    if family.method not in sketch.methods and sketch.blueprint.complete:
        reason = f"is {written(use.name)}, which is no {family.word}: it has no method `{family.method}`"
        return [use.wrong(reason + family.elsewhere)]
    return _wrong_settings(use, sketch, folder)


def _wrong_settings(use: Use, sketch: Sketch, folder: Path) -> list[Problem]:
    _, _, problems = read_use(use, sketch.blueprint, folder)
    return problems
