"""What services print: into a journal for each unit on the disk, and onto the console."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from deployer.lab.machines.console import BoundedLog


class Journal:
    """The journals of one machine."""

    def __init__(self, root: Path, console: BoundedLog) -> None:
        self._folder = root / "var/log/journal"
        self._console = console
        self._logs: dict[str, BoundedLog] = {}

    def path(self, unit: str) -> Path:
        """The file that holds a unit's journal."""
        return self._folder / f"{unit}.log"

    def follow(self, reader: int, unit: str, pid: int) -> None:
        """Takes lines from the pipe `reader`, which process `pid` of the unit writes to, until it is closed."""
        loop = asyncio.get_running_loop()
        os.set_blocking(reader, False)
        pending = bytearray()

        def readable() -> None:
            data = os.read(reader, 65536)
            pending.extend(data)
            while (cut := pending.find(b"\n")) >= 0:
                self._line(unit, pid, bytes(pending[:cut]))
                del pending[: cut + 1]
            if not data:
                if pending:
                    self._line(unit, pid, bytes(pending))
                loop.remove_reader(reader)
                os.close(reader)

        loop.add_reader(reader, readable)

    def _line(self, unit: str, pid: int, text: bytes) -> None:
        stamp = time.strftime("%b %d %H:%M:%S").encode()
        line = b"%s %s[%d]: %s\n" % (stamp, unit.removesuffix(".service").encode(), pid, text)
        log = self._logs.get(unit)
        if log is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            log = self._logs[unit] = BoundedLog.at(str(self.path(unit)))
        log.write(line)
        self._console.write(line)

    def say(self, text: str) -> None:
        """A line of the service supervisor's own, onto the console."""
        self._console.line(f"systemd[1]: {text}")
