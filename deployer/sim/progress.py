"""How far a long run has come, on standard error: a line that is rewritten in a terminal, else one now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_IN_TERMINAL = 0.5
_IN_LOG = 10.0
"""Seconds between two lines."""


@dataclass
class Progress:
    """Tells how many of the things called `what` are done. `clock` is monotonic seconds."""

    what: str
    out: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._began = self._told = self.clock()
        self._terminal = self.out.isatty()

    def reached(self, done: int, total: int, note: str) -> None:
        """So many are done; `note` says what they have shown so far."""
        now = self.clock()
        if now - self._told < (_IN_TERMINAL if self._terminal else _IN_LOG):
            return
        self._told = now
        passed = now - self._began
        left = passed / done * (total - done) if done else 0.0
        shown = f"{done:,} of {total:,} {self.what}{f', {note}' if note else ''}"
        text = f"{shown}; {passed:.0f} s, about {left:.0f} s to go"
        self.out.write(f"\r\033[K{text}" if self._terminal else f"{text}\n")
        self.out.flush()

    def end(self) -> None:
        """Clears the line, so that what follows stands alone."""
        if self._terminal:
            self.out.write("\r\033[K")
            self.out.flush()
