"""What `.gitignore` and `.deployerignore` leave out of a folder's bundle, by git's rules."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from deployer.remote.errors import BundleError

IGNORE_FILES = (".gitignore", ".deployerignore")
"""In the order in which they are read: the last line that matches decides."""
_MOST_BYTES = 1024 * 1024
_AFTER_FOLDER = "ps_d"


class Ignored:
    """The ignore files on the way from the bundle's folder to one below it.

    Those above the bundle's folder do not count: a build's output lies in a folder that the repository ignores.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rules: tuple[_Rule, ...] = ()

    def within(self, folder: str) -> Ignored:
        """With the ignore files of `folder` (relative to the bundle's; empty for that one). Raises BundleError."""
        found = [rule for name in IGNORE_FILES for rule in _rules(self._root, folder, name)]
        if not found:
            return self
        deeper = Ignored(self._root)
        deeper._rules = (*self._rules, *found)
        return deeper

    def by(self, path: str, *, is_folder: bool) -> str | None:
        """The file and line that leave `path` out; None where it is packed. Its folder must not be left out."""
        written = f"{path}/" if is_folder else path
        for rule in reversed(self._rules):
            if rule.names(written):
                return rule.where if rule.pattern.include else None
        return None


@dataclass(frozen=True)
class _Rule:
    pattern: GitIgnoreSpecPattern
    where: str

    def names(self, path: str) -> bool:
        """Whether the pattern matches that very path, and not only a folder above it, which was decided already."""
        found = self.pattern.match_file(path)
        if found is None:
            return False
        # Where a pattern matched a folder, pathspec marks the slash after it.
        return found.match.groupdict().get(_AFTER_FOLDER) is None or found.match.end(_AFTER_FOLDER) == len(path)


def _rules(root: Path, folder: str, name: str) -> list[_Rule]:
    """The patterns of one ignore file as they read from the bundle's folder, each with where it stands."""
    path = root / folder / name
    found = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        pattern = _anchored(line, folder)
        try:
            rule = _Rule(GitIgnoreSpecPattern(pattern), f"{folder}/{name}:{number}".lstrip("/"))
        except ValueError as problem:
            raise BundleError(
                f"{path} line {number} is {ascii(line)[:100]}, no pattern as git knows them; correct it"
            ) from problem
        if rule.pattern.include is not None:  # None for a comment or an empty line
            found.append(rule)
    return found


def _text(path: Path) -> str:
    """The text of an ignore file; empty where there is none. A link is not followed, as git does not."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return ""
            data = stream.read(_MOST_BYTES + 1)
    except OSError:
        if path.is_symlink() or not path.exists():
            return ""
        raise
    if len(data) > _MOST_BYTES:
        raise BundleError(f"{path} has more than {_MOST_BYTES} bytes, which no list of patterns has; shorten it")
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


_SPECIAL: Mapping[int, str] = str.maketrans({char: f"\\{char}" for char in "\\*?[]!# "})


def _anchored(line: str, folder: str) -> str:
    """A line of the ignore file in `folder` as it would stand in one at the top."""
    body = line.removeprefix("!")
    if body == "**/" or body.endswith("/**/"):
        # Folders at any depth, to git; pathspec takes it for files too.
        line, body = f"{line}*/", f"{body}*/"
    if not folder or not body.strip() or line.startswith("#"):
        return line
    # A slash before the end ties a pattern to its folder; without one it holds at any depth.
    tied = "/" in body.rstrip().rstrip("/")
    between = "/" if tied else "/**/"
    return f"{line[: len(line) - len(body)]}/{folder.translate(_SPECIAL)}{between}{body.removeprefix('/')}"
