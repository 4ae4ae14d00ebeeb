"""The lab's `known_hosts`: the keys of the machines that are up, so that strict checking works by hand."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import asyncssh


class KnownHosts:
    """Keeps one OpenSSH known_hosts file in step with the machines; replaced as a whole, never torn."""

    def __init__(self, path: Path, port: int) -> None:
        self._path = path
        self._port = port
        self._lines: dict[str, str] = {}
        self._lock = threading.Lock()
        self._save()

    def put(self, address: str, key: asyncssh.SSHKey) -> None:
        """A machine came up at `address`."""
        kind, data = key.export_public_key().decode().split()[:2]
        with self._lock:
            self._lines[address] = f"[{address}]:{self._port} {kind} {data}\n"
            self._save()

    def drop(self, address: str) -> None:
        """The machine at `address` is gone; its key must not vouch for the next one there."""
        with self._lock:
            self._lines.pop(address, None)
            self._save()

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(self._lines.values()))
        os.replace(fresh, self._path)  # noqa: PTH105
