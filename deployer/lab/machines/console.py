"""A log that stays small: the machine's serial console, and the journal of each of its services."""

from __future__ import annotations

import os

KEPT_BYTES = 64 * 1024
"""What GetConsoleOutput can give: the most recent 64 KB (EC2 API reference)."""


class BoundedLog:
    """Appends to a file; when that has grown to four times `kept`, only the newest `kept` bytes stay.

    Works on a descriptor, because the machine's init writes the console from behind its walls, where
    the file has no name.
    """

    def __init__(self, descriptor: int, kept: int = KEPT_BYTES) -> None:
        self._descriptor = descriptor
        self._kept = kept
        self._size = os.fstat(descriptor).st_size

    @classmethod
    def at(cls, path: str, kept: int = KEPT_BYTES) -> BoundedLog:
        """Opens or creates the file."""
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), kept)

    def write(self, data: bytes) -> None:
        """Appends, and drops the oldest when there is too much."""
        self._size += os.pwrite(self._descriptor, data, self._size)
        if self._size > 4 * self._kept:
            newest = os.pread(self._descriptor, self._kept, self._size - self._kept)
            newest = newest[newest.find(b"\n") + 1 :]
            os.ftruncate(self._descriptor, 0)
            self._size = os.pwrite(self._descriptor, newest, 0)

    def line(self, text: str) -> None:
        """Appends one line."""
        self.write(text.encode(errors="replace") + b"\n")

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)
