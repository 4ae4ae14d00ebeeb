"""The secrets of this process: exact values that it was handed, in the forms that they are written in.

One set for the process, as its standard streams are: whatever is handed in anywhere may come out anywhere.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

from deployer.secrets.kinds import MASK
from deployer.secrets.names import names_a_secret

SHORTEST = 6
"""A shorter value is not looked for: it would be found in every second word."""
_LONG = 12
"""From this length on, a value is found inside of words too."""
_LARGEST_FILE = 64 * 1024


class Known:
    """Values that are masked wherever they come up. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self.learning = False
        """Whether a command runs. What is handed to a process that goes on after it is not this set's business."""

    def add(self, *values: str) -> None:
        """From here on these are secrets. What is shorter than `SHORTEST` is left out."""
        forms = frozenset(form for value in values for form in _forms(value.strip()))
        if not forms <= self._forms:
            self._set(self._forms | forms)

    def mask(self, text: str) -> str:
        """The text without these values."""
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern is not None else text

    @contextmanager
    def until_the_end(self) -> Iterator[None]:
        """Whatever is added within is forgotten at the end."""
        before, self.learning = (self._forms, self.learning), True
        try:
            yield
        finally:
            forms, self.learning = before
            self._set(forms)

    def _set(self, forms: frozenset[str]) -> None:
        with self._lock:
            self._forms = forms
            ordered = sorted(forms, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(_looked_for(form) for form in ordered)) if ordered else None


KNOWN = Known()


def know(*values: str) -> None:
    """Has these values masked wherever this process writes, as long as its command runs."""
    if KNOWN.learning:
        KNOWN.add(*values)


def know_environment(environment: Mapping[str, str]) -> None:
    """Every variable whose name says that it holds a secret: AWS's own, tokens of hooks, passwords of scripts."""
    know(*(value for name, value in environment.items() if names_a_secret(name) and not _is_file(value)))


def _is_file(value: str) -> bool:
    """GOOGLE_APPLICATION_CREDENTIALS and the like say where the secret is."""
    try:
        return value.startswith("/") and Path(value).exists()
    except (OSError, ValueError):
        return False


def know_file(path: Path) -> None:
    """Every line of a key file that is long enough to mean something; one that cannot be read adds nothing."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE).decode("utf-8", "replace")
    except OSError:
        return
    know(*(line for line in text.splitlines() if len(line.strip()) >= _LONG and "-----" not in line))


def _forms(value: str) -> Iterator[str]:
    if len(value) < SHORTEST:
        return
    yield value
    yield from (line for line in value.splitlines() if len(line) >= _LONG and "-----" not in line)
    yield from (quote(value, safe=""), quote(value), quote_plus(value), json.dumps(value)[1:-1], repr(value)[1:-1])
    if len(value) >= _LONG:
        yield from _in_base64(value)
    parts = urlsplit(value) if "://" in value and value.isprintable() else None
    if parts is not None and len(parts.path) >= _LONG:
        yield parts.path.lstrip("/")


def _in_base64(value: str) -> Iterator[str]:
    """As it is found in the Base64 of a longer text: at three places of its groups of three bytes."""
    data = value.encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data).decode()
        start, spare = -(-shift * 8 // 6), (shift + len(data)) % 3
        end = len(encoded.rstrip("=")) - (1 if spare else 0)
        yield encoded[start:end]


def _looked_for(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _LONG or not form.isalnum() else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"
