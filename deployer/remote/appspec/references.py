"""What an AppSpec names must be in its bundle: on a host it would be found missing only after the drain. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from deployer.remote.appspec.problems import Problem
from deployer.remote.appspec.spec import AppSpec

APPSPEC_NAMES = ("appspec.yaml", "appspec.yml")
"""Where an AppSpec is looked for, in this order, case-sensitive, when none is named."""


def missing_references(spec: AppSpec, names: AbstractSet[str]) -> list[Problem]:
    """The scripts and sources that are not among the bundle's paths, as errors with their line."""
    windows = spec.os == "windows"
    names = {name.lower() for name in names} if windows else names
    problems = [
        Problem(
            script.line, f"the script {script.location} is not in the bundle", "add it, or correct the location"
        )
        for scripts in spec.hooks.values()
        for script in scripts
        if bundle_path(script.location, windows=windows) not in names
    ]
    for copy in spec.files:
        source = bundle_path(copy.source, windows=windows)
        if source and source not in names:
            problems.append(Problem(copy.line, f"the bundle has no {copy.source}", "add it, or correct the source"))
    return sorted(problems, key=lambda problem: problem.line)


def bundle_path(path: str, *, windows: bool = False) -> str:
    """A path of an AppSpec as the bundle names it: without a leading slash, `.` and what `..` takes back.

    On Windows a backslash divides too, and names differ by more than their case.
    """
    if windows:
        path = path.replace("\\", "/").lower()
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
