"""SFTP on a machine's disk: the same paths as a command on the machine sees."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import asyncssh

from deployer.lab.ssh.paths import View


class DiskServer(asyncssh.SFTPServer):
    """asyncssh's own server with its paths led through a `View`.

    The calls that must not follow a last link (lstat, remove, rename, readlink, symlink) say so.
    """

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], view: View) -> None:
        super().__init__(channel)
        self._view = view

    def map_path(self, path: bytes) -> bytes:
        """A path from the client → where it lies on the host."""
        return os.fsencode(self._view.local(os.fsdecode(path)))

    def _as_it_is(self, path: bytes) -> str:
        return self._view.local(os.fsdecode(path), follow=False)

    def lstat(self, path: bytes) -> os.stat_result:
        """The attributes of a link itself."""
        return os.lstat(self._as_it_is(path))

    def remove(self, path: bytes) -> None:
        """Removes a file or a link itself."""
        os.remove(self._as_it_is(path))  # noqa: PTH107

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Renames; an existing target is an error, as in SFTP version 3."""
        target = self._as_it_is(newpath)
        if os.path.lexists(target):
            raise asyncssh.SFTPFailure("File already exists")
        os.rename(self._as_it_is(oldpath), target)  # noqa: PTH104

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Renames over an existing target."""
        os.replace(self._as_it_is(oldpath), self._as_it_is(newpath))  # noqa: PTH105

    def realpath(self, path: bytes) -> bytes:
        """The path as the machine names it."""
        return os.fsencode(self._view.inside(os.fsdecode(path)))

    def readlink(self, path: bytes) -> bytes:
        """A link's text."""
        return os.fsencode(os.readlink(self._as_it_is(path)))  # noqa: PTH115

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Makes a link with exactly the text that was asked for."""
        os.symlink(os.fsdecode(oldpath), self._as_it_is(newpath))  # noqa: PTH211

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Lists a folder."""
        return self._entries(path)

    async def _entries(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        folder = self._view.local(os.fsdecode(path))
        with os.scandir(folder) as entries:
            found: list[tuple[str, Any]] = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        found.extend((name, os.lstat(folder)) for name in (".", ".."))
        for name, status in found:
            yield asyncssh.SFTPName(os.fsencode(name), attrs=asyncssh.SFTPAttrs.from_local(status))
