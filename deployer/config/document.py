"""A `deployer.toml` as it stands in its file: found, read, and with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deployer.config.ownership import why_not_ours
from deployer.config.positions import Path as KeyPath
from deployer.config.positions import key_lines
from deployer.config.written import printable
from deployer.model.errors import UsageError

FILE_NAME = "deployer.toml"
SCHEMA_FILE = "deployer.schema.json"
"""The JSON Schema of the settings, beside them: an editor needs no network for it."""
SCHEMA_LINE = f"#:schema ./{SCHEMA_FILE}"
"""The first line of a settings file, by which editors find it. [Taplo, "Directives"]"""
_LARGEST = 1_000_000


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a settings file: at which key, and the rest of the sentence that names it.

    The empty key stands for the file itself. `by_plugin` says that the plugin refused it by itself, though
    its types let it pass.
    """

    key: KeyPath
    rest: str
    by_plugin: bool = False

    def below(self, key: KeyPath) -> Problem:
        """The same, where its key begins at `key`."""
        return replace(self, key=(*key, *self.key))


class NotToml(UsageError):
    """The file is not valid TOML. `line` is where it ends to be; None for the end of the file."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Document:
    """What a settings file holds, and where."""

    path: Path
    table: Mapping[str, object]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def place(self, key: KeyPath) -> str:
        """Where a key is, for the start of a sentence: `deployer.toml, line 7`."""
        line = self.line(key)
        return f"{self.path}, line {line}" if line is not None else str(self.path)

    def line(self, key: KeyPath) -> int | None:
        """The line of a key, or the nearest one around it that is known."""
        return next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)

    def value(self, key: KeyPath) -> object:
        """What stands at a key; None where there is nothing."""
        found: Any = self.table
        for part in key:
            if isinstance(found, list) and isinstance(part, int) and part < len(found):
                found = found[part]
            elif isinstance(found, dict):
                found = found.get(part)
            else:
                return None
        return found

    def sentence(self, problem: Problem) -> str:
        """File, line, the key's full name, and what is wrong with it."""
        key = problem.key
        return f"{self.place(key)}: {dotted(key)} {problem.rest}" if key else f"{self.path} {problem.rest}"

    def in_order(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """The problems in the order of their lines; what belongs to no line comes last."""
        return tuple(sorted(problems, key=lambda one: self.line(one.key) or self._after))

    @property
    def _after(self) -> int:
        return max(self.lines.values(), default=0) + 1

    def refusal(self, problems: Sequence[Problem]) -> UsageError:
        """One sentence about the first of the problems, and how many more there are."""
        first, *more = self.in_order(problems)
        others = f" (and {len(more)} more; `deployer check` lists them)" if more else ""
        return UsageError(self.sentence(first) + others)


def dotted(key: KeyPath) -> str:
    """A key as a user knows it: `fleet.web.hooks[0].at`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + printable(part)
    return text


def find_file(named: Path | None, folder: Path) -> Path:
    """The settings file: the one named, else `deployer.toml` in `folder` or above it up to its repository's top.

    Only a repository is searched upwards, and only one of this user: a settings file names hooks to run.
    Raises UsageError that says which folders were searched, or whose the file is.
    """
    if named is not None:
        path = folder / named.expanduser()
        if not path.exists():
            raise UsageError(f"there is no settings file {path}; `deployer init` writes one")
        return _ours(path)
    searched = [folder]
    tops = [parent for parent in (folder, *folder.parents) if _is_top(parent)]
    if tops:
        searched += [parent for parent in folder.parents if parent == tops[0] or tops[0] in parent.parents]
    for place in searched:
        if (place / FILE_NAME).exists():
            return _ours(place / FILE_NAME)
    raise UsageError(
        f"there is no {FILE_NAME} in {' or '.join(str(place) for place in searched)}; "
        "`deployer init` writes one, --config names another"
    )


def _is_top(folder: Path) -> bool:
    """Whether a repository of this user begins here: anybody can make a `.git` where anybody may write."""
    return (folder / ".git").exists() and why_not_ours(folder / ".git") is None


def _ours(path: Path) -> Path:
    """The path. Raises UsageError where what it names is not ours."""
    why = why_not_ours(path)
    if why is not None:
        raise UsageError(f"{path} {why}")
    return path


def read_document(path: Path) -> Document:
    """Reads a settings file. Raises UsageError with the line for what is not TOML."""
    try:
        raw = path.read_bytes()
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a folder; expected a settings file") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(raw) > _LARGEST:
        raise UsageError(f"{path} has {len(raw)} bytes; a settings file has at most {_LARGEST}")
    try:
        text = raw.decode()
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax(path, str(error)) from error
    return Document(path, table, key_lines(text.replace("\r\n", "\n")))


def _syntax(path: Path, message: str) -> NotToml:
    """tomllib puts the position at the end of its message; ours is at the front, as everywhere."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if found:
        text = f"{path}, line {found[2]}, column {found[3]}: not valid TOML: {found[1]}"
        return NotToml(text, int(found[2]))
    reason = message.removesuffix(" (at end of document)")
    return NotToml(f"{path}: not valid TOML: {reason}, at the end of the file", None)
