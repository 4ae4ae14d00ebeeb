"""Checks an AppSpec file, or the folder of a bundle, for `deployer appspec check`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer.remote.appspec.document import MAX_BYTES
from deployer.remote.appspec.parser import read_appspec
from deployer.remote.appspec.references import APPSPEC_NAMES, missing_references
from deployer.remote.appspec.spec import AppSpec

WINDOWS = "os: windows is deployed with --backend codedeploy only; the native backend works on Linux hosts"


@dataclass(frozen=True)
class Verdict:
    """What a check came to, as lines for the user."""

    passed: bool
    lines: tuple[str, ...]


def check_path(path: Path, *, strict: bool) -> Verdict:
    """Checks a file or a bundle's folder; never raises for what it finds there."""
    file = path
    if path.is_dir():
        found = next((path / name for name in APPSPEC_NAMES if (path / name).is_file()), None)
        if found is None:
            return Verdict(passed=False, lines=(_no_appspec(path),))
        file = found
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as problem:
        return Verdict(passed=False, lines=(f"{file}: error: it cannot be read: {problem.strerror}",))
    reading = read_appspec(data)
    problems = list(reading.errors) or list(reading.problems)
    if reading.spec is not None and path.is_dir():
        problems += missing_references(reading.spec, _names(path))
    passed = reading.spec is not None and not any(p.stops(strict=strict) for p in problems)
    lines = [problem.describe(str(file)) for problem in problems]
    if reading.spec is not None and reading.spec.os == "windows":
        lines.insert(0, f"{file}: note: {WINDOWS}")
    return Verdict(passed, (*lines, _summary(file, reading.spec, len(problems)) if passed else f"{file}: refused"))


def _no_appspec(folder: Path) -> str:
    near = [entry.name for entry in folder.iterdir() if entry.name.lower() in APPSPEC_NAMES]
    hint = "; add one, or name the bundle's folder"
    if near:
        hint = f"; {near[0]} is no file" if near[0] in APPSPEC_NAMES else f"; rename {near[0]} to lower case"
    return f"{folder}: error: there is no {' or '.join(reversed(APPSPEC_NAMES))}{hint}"


def _names(folder: Path) -> frozenset[str]:
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob("*"))


def _summary(file: Path, spec: AppSpec | None, warnings: int) -> str:
    if spec is None:
        return f"{file}: refused"
    scripts = sum(len(scripts) for scripts in spec.hooks.values())
    note = f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""
    return f"{file}: good for {spec.os}: {len(spec.files)} files entries, {scripts} scripts{note}"
