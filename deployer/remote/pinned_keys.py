"""Host keys by instance id, kept on this machine once learnt: what a console shows later changes nothing."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deployer.remote.console_keys import ConsoleKeys
from deployer.remote.hostkeys import HostKey

_INSTANCE = re.compile(r"m?i-[0-9a-z]+")


class Pinned:
    """Keeps what another source has told, in a file for each instance in `folder`, which only its owner can read.

    An instance's id is never given to another one, as its address is; so the pin outlives reboots and log lines.
    """

    def __init__(self, source: ConsoleKeys, folder: Path) -> None:
        self._source = source
        self._folder = folder

    def host_keys(self, instance: str) -> Sequence[HostKey]:
        """The keys of an instance; empty when nobody knows them yet. Raises HostKeyRefused as the source does."""
        keys = self.kept(instance) or self._source.host_keys(instance)
        if keys and _INSTANCE.fullmatch(instance):
            _write(self._folder / instance, keys)
        return keys

    def kept(self, instance: str) -> Sequence[HostKey]:
        """The keys of an instance that were learnt earlier; empty where none were."""
        return _read(self._folder / instance) if _INSTANCE.fullmatch(instance) else ()


def _read(path: Path) -> tuple[HostKey, ...]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(HostKey(*words[:2]) for line in lines if len(words := line.split()) >= 2)


def _write(path: Path, keys: Sequence[HostKey]) -> None:
    """Whole or not at all. A folder that cannot be written to only has the console asked again next time."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.writelines(f"{key.kind} {key.blob}\n" for key in keys)
        os.replace(file.name, path)  # noqa: PTH105
    except OSError:
        return
