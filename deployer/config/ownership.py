"""Whose a file is that says what is run: git's rule for repositories (CVE-2022-24765), for settings and plugins.

What belongs to somebody else, or lies where anybody may put another in its place, is neither read nor run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

TRUSTED = "DEPLOYER_TRUSTED_OWNERS"
"""User ids, with commas between them, whose files are taken as one's own: for containers and shared folders."""


def why_not_ours(path: Path, environment: Mapping[str, str] | None = None) -> str | None:
    """Why what is at `path` is not to be believed, as the rest of a sentence about it; None where it is.

    It is ours where the file, the folders above it and, for a link, what it leads to belong to this user or root,
    and nobody else can replace them: others may write to none of them, but for a folder with the sticky bit.
    """
    owners = _owners(os.environ if environment is None else environment)
    try:
        return next((why for one in _steps(path) if (why := _why_not(one, owners, path)) is not None), None)
    except (OSError, RuntimeError) as error:
        return f"cannot be looked at: {getattr(error, 'strerror', None) or error}"


def _owners(environment: Mapping[str, str]) -> frozenset[int]:
    """This user, root, whoever called sudo (as git has it), and those that are named."""
    said = environment.get(TRUSTED, "").split(",")
    if os.geteuid() == 0:
        said.append(environment.get("SUDO_UID", ""))
    return frozenset({0, os.geteuid(), *(int(one) for one in said if one.strip().isdecimal())})


def _steps(path: Path) -> Iterable[Path]:
    """What a look at the path goes through: by the names as they are given, and where links lead."""
    given = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links that are looked at here
    real = given.resolve()
    return dict.fromkeys([given, *given.parents, real, *real.parents])


def _why_not(step: Path, owners: frozenset[int], path: Path) -> str | None:
    found = step.lstat()
    what = "it" if step == path else str(step)
    trust = f"if that is as it should be, put its owner into {TRUSTED}"
    if found.st_uid not in owners:
        return f"is not believed: {what} belongs to user {found.st_uid}, not to user {os.geteuid()}; {trust}"
    if stat.S_ISLNK(found.st_mode) or not found.st_mode & stat.S_IWOTH:
        return None
    if stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX:
        return None
    return f"is not believed: {what} can be written by anybody; take that off with `chmod o-w {step}`"
