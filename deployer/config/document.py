"""A `deployer.toml` as it stands in its file: found, read, and with the line of every key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.config.positions import Path as KeyPath
from deployer.config.positions import key_lines
from deployer.model.errors import UsageError

FILE_NAME = "deployer.toml"
_LARGEST = 1_000_000


@dataclass(frozen=True)
class Document:
    """What a settings file holds, and where."""

    path: Path
    table: Mapping[str, object]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def place(self, key: KeyPath) -> str:
        """Where a key is, for the start of a sentence: `deployer.toml, line 7`; the nearest line that is known."""
        for length in range(len(key), 0, -1):
            if line := self.lines.get(key[:length]):
                return f"{self.path}, line {line}"
        return str(self.path)

    def error(self, key: KeyPath, rest: str) -> UsageError:
        """An error about a key: file, line, the key's full name, and the rest of the sentence."""
        return UsageError(f"{self.place(key)}: {dotted(key)} {rest}")


def dotted(key: KeyPath) -> str:
    """A key as a user knows it: `fleet.web.hooks[0].at`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + part
    return text


def find_file(named: Path | None, folder: Path) -> Path:
    """The settings file: the one named, else `deployer.toml` in `folder` or above it up to its repository's top.

    Only a repository is searched upwards: a file in a folder that others may write to could name hooks to run.
    Raises UsageError that says which folders were searched.
    """
    if named is not None:
        path = folder / named.expanduser()
        if not path.exists():
            raise UsageError(f"there is no settings file {path}; `deployer init` writes one")
        return path
    searched = [folder]
    tops = [parent for parent in (folder, *folder.parents) if (parent / ".git").exists()]
    if tops:
        searched += [parent for parent in folder.parents if parent == tops[0] or tops[0] in parent.parents]
    for place in searched:
        if (place / FILE_NAME).exists():
            return place / FILE_NAME
    raise UsageError(
        f"there is no {FILE_NAME} in {' or '.join(str(place) for place in searched)}; "
        "`deployer init` writes one, --config names another"
    )


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
        raise UsageError(_syntax(path, str(error))) from error
    return Document(path, table, key_lines(text.replace("\r\n", "\n")))


def _syntax(path: Path, message: str) -> str:
    """tomllib puts the position at the end of its message; ours is at the front, as everywhere."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if found:
        return f"{path}, line {found[2]}, column {found[3]}: not valid TOML: {found[1]}"
    return f"{path}: not valid TOML: {message.removesuffix(' (at end of document)')}, at the end of the file"
