"""On which line of a TOML document each key is: tomllib reads values but tells no positions.

The scanner is for documents that tomllib has accepted; it only has to tell keys from values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Path: TypeAlias = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}(?!")', re.DOTALL),
    re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)
_ESCAPES = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")


def key_lines(text: str) -> Mapping[Path, int]:
    """The line, from 1, on which each key and array element of a valid document begins.

    >>> key_lines("a = 1\\n[b]\\nc = [2, 3]")[("b", "c")]
    3
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}

    def document(self) -> None:
        """Reads table headers and pairs until the end."""
        table: Path = ()
        while self._skip():
            if self._peek("[["):
                table = self._array_header()
            elif self._peek("["):
                self.at += 1
                table = self._resolve(self._keys())
                self._note(table)
                self._expect("]")
            else:
                self._pair(table)

    def _array_header(self) -> Path:
        self.at += 2
        path = self._resolve(self._keys(), last=False)
        self._note(path)
        index = self._tables.get(path, -1) + 1
        self._tables[path] = index
        self._note((*path, index))
        self._expect("]]")
        return (*path, index)

    def _resolve(self, keys: tuple[str, ...], *, last: bool = True) -> Path:
        """The path of a header: a key that names an array of tables means its latest element."""
        path: Path = ()
        for number, key in enumerate(keys, start=1):
            path = (*path, key)
            if path in self._tables and (last or number < len(keys)):
                path = (*path, self._tables[path])
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = table
        for key in self._keys():
            path = (*path, key)
        self._note(path, start)
        self._expect("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        if self._peek("["):
            self._items(path, "]")
        elif self._peek("{"):
            self._items(path, "}")
        elif not self._string():
            self._match(_SCALAR)

    def _items(self, path: Path, end: str) -> None:
        self.at += 1
        index = 0
        while self._skip() and not self._peek(end):
            if end == "}":
                self._pair(path)
            else:
                self._note((*path, index))
                self._value((*path, index))
                index += 1
            self._skip()
            if self._peek(","):
                self.at += 1
        self._expect(end)

    def _keys(self) -> tuple[str, ...]:
        keys = [self._key()]
        while self._skip() and self._peek("."):
            self.at += 1
            keys.append(self._key())
        return tuple(keys)

    def _key(self) -> str:
        self._skip()
        quoted = self._string()
        if quoted.startswith('"'):
            return _ESCAPES.sub(_unescape, quoted[1:-1])
        return quoted[1:-1] if quoted else self._match(_BARE)

    def _string(self) -> str:
        for pattern in _STRINGS:
            if text := self._match(pattern):
                return text
        return ""

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _skip(self) -> bool:
        """Passes spaces, line ends and comments; whether anything is left."""
        self._match(_SPACE)
        return self.at < len(self.text)

    def _peek(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def _expect(self, text: str) -> None:
        self._skip()
        if not self._peek(text):
            raise AssertionError(f"the document is not valid TOML at offset {self.at}: no {text!r}")
        self.at += len(text)

    def _note(self, path: Path, at: int | None = None) -> None:
        """Notes where a key stands, and the tables around it where nothing before has named them."""
        line = self.text.count("\n", 0, self.at if at is None else at) + 1
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)


def _unescape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return (
        chr(int(code, 16))
        if code
        else {"n": "\n", "t": "\t", "b": "\b", "f": "\f", "r": "\r"}.get(found[3], found[3])
    )
