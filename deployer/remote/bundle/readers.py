"""Entries of a folder, a zip or a tar; nothing is written here, and names are checked before they are used."""

from __future__ import annotations

import contextlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from deployer.model.hosts import LeftOut
from deployer.remote.bundle.entries import Entry, Kind, Limits, checked_mode, checked_path, refuse, too_many
from deployer.remote.bundle.ignored import IGNORE_FILES, Ignored
from deployer.remote.errors import BundleError

LEFT_OUT = frozenset({".git", ".hg", ".svn", "__pycache__", *IGNORE_FILES})
"""Never part of a folder's bundle: history, what running Python leaves behind, and the ignore files themselves."""
_NEVER = "never packed"

DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError)
"""What Python's readers raise for an archive that is not whole or not honest (NotImplementedError included)."""


_EXTENDED = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
"""Members that only say more of the next one, or of all."""


class FolderWalk:
    """One walk through a folder; `left_out` is what it has passed over so far."""

    def __init__(self, root: Path, limits: Limits) -> None:
        self._root = root
        self._where = str(root)
        self._limits = limits
        self.left_out: list[LeftOut] = []

    def entries(self) -> Iterator[Entry]:
        """What is packed, links as links. Raises BundleError."""
        try:
            yield from self._below("", Ignored(self._root))
        except OSError as problem:
            raise BundleError(
                f"the bundle {self._where} cannot be read: {problem.filename}: {problem.strerror}"
            ) from problem

    def _below(self, folder: str, above: Ignored) -> Iterator[Entry]:
        ignored = above.within(folder)
        with os.scandir(self._root / folder) as found:
            children = sorted(found, key=lambda child: child.name)
        for child in children:
            path = f"{folder}/{child.name}".lstrip("/")
            is_folder = child.is_dir(follow_symlinks=False)
            why = _NEVER if child.name in LEFT_OUT else ignored.by(path, is_folder=is_folder)
            if why is not None:
                self.left_out.append(LeftOut(f"{path}/" if is_folder else path, why))
                continue
            name = checked_path(self._where, path, self._limits)
            yield _folder_entry(self._where, self._root, self._root / path, name)
            if is_folder:
                yield from self._below(path, ignored)


def _folder_entry(where: str, root: Path, path: Path, name: str) -> Entry:
    about = path.lstat()
    if stat.S_ISLNK(about.st_mode):
        return Entry(name, Kind.LINK, 0o777, target=_target(root, path))
    mode = checked_mode(where, name, stat.S_IMODE(about.st_mode) & ~_inherited(about))
    if stat.S_ISDIR(about.st_mode):
        return Entry(name, Kind.FOLDER, mode)
    if not stat.S_ISREG(about.st_mode):
        raise refuse(where, name, f"is {_kind_of(about.st_mode)}, not a file, folder or link")
    return Entry(name, Kind.FILE, mode, about.st_size, open=partial(_opened, path))


def _target(root: Path, path: Path) -> str:
    """Where a link leads; an absolute path into the bundle's own folder becomes a relative one."""
    target = str(path.readlink())
    absolute = os.path.normpath(target)
    top = os.path.abspath(root)  # noqa: PTH100 - links on the way to the folder stay as they are written
    if not target.startswith("/") or not f"{absolute}/".startswith(f"{top}/"):
        return target
    return os.path.relpath(absolute, os.path.abspath(path.parent))  # noqa: PTH100


def _inherited(about: os.stat_result) -> int:
    """Folders get their set-group-id bit from the folder they were made in; it says nothing about the release."""
    return stat.S_ISGID if stat.S_ISDIR(about.st_mode) else 0


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    # The path may have become a link since it was looked at; it is not followed then.
    return cast(BinaryIO, os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb"))


def _kind_of(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


@contextlib.contextmanager
def archive_entries(path: Path, where: str, limits: Limits) -> Iterator[Iterator[Entry]]:
    """The entries of an archive, while it is open. Raises BundleError for what is no archive, or a damaged one."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if len(archive.infolist()) > limits.files:
                    raise too_many(where, limits)
                yield _zip_entries(archive, where, limits)
        else:
            with tarfile.open(path, "r:*", tarinfo=_bounded(where, limits)) as tar:
                yield _tar_entries(tar, where, limits)
    except DAMAGED as problem:
        raise BundleError(
            f"the bundle {where} is no readable zip, tar, tar.gz, tar.bz2 or tar.xz: {problem!s:.200}"
        ) from problem
    except OSError as problem:
        raise BundleError(f"the bundle {where} cannot be read: {problem.strerror or problem}") from problem


def _zip_entries(archive: zipfile.ZipFile, where: str, limits: Limits) -> Iterator[Entry]:
    for info in archive.infolist():
        # `filename` ends at a null character; what is written in the archive does not.
        path = checked_path(where, info.orig_filename, limits)
        if info.flag_bits & 0x1:
            raise refuse(where, path, "is encrypted", "pack it without a password")
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if stat.S_ISLNK(mode):
            if info.file_size > limits.path_bytes:
                raise refuse(where, path, "is a link with a target longer than any path")
            target = archive.read(info).decode("utf-8", "surrogateescape")
            yield Entry(path, Kind.LINK, 0o777, target=target)
        elif info.is_dir() or stat.S_ISDIR(mode):
            if path:
                yield Entry(path, Kind.FOLDER, checked_mode(where, path, stat.S_IMODE(mode) or 0o755))
        elif kind not in (0, stat.S_IFREG):
            raise refuse(where, path, f"is {_kind_of(mode)}, not a file, folder or link")
        else:
            bits = checked_mode(where, path, stat.S_IMODE(mode) or 0o644)
            yield Entry(path, Kind.FILE, bits, info.file_size, open=partial(_zip_open, archive, info))


def _zip_open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> AbstractContextManager[BinaryIO]:
    return cast(AbstractContextManager[BinaryIO], archive.open(info))


def _bounded(where: str, limits: Limits) -> type[tarfile.TarInfo]:
    """Members of one archive whose extended headers, which tarfile reads whole and keeps, have a bound."""
    read = 0

    class Member(tarfile.TarInfo):
        def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
            nonlocal read
            if self.type in _EXTENDED:
                read += self.size
                if self.size > limits.header_bytes or read > limits.headers_bytes:
                    raise BundleError(
                        f"the bundle {where} is refused: its extended headers (pax, GNU long names) have more than "
                        f"{min(limits.header_bytes, limits.headers_bytes)} bytes; pack it without them"
                    )
            found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
            return found

    return Member


def _tar_entries(tar: tarfile.TarFile, where: str, limits: Limits) -> Iterator[Entry]:
    # The names and sizes of files so far: a hard link stands for one of them, and gets a copy of its bytes.
    files: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        path = checked_path(where, member.name, limits)
        if member.islnk():
            source = files.get(checked_path(where, member.linkname, limits))
            if source is None:
                shown = ascii(member.linkname)[:200]
                raise refuse(where, path, f"is a hard link to {shown}, no earlier file of it", "pack it as a file")
            mode = checked_mode(where, path, source.mode & 0o7777)
            files[path] = source
            yield Entry(path, Kind.FILE, mode, source.size, open=partial(_tar_open, tar, source))
            continue
        if member.issparse():
            raise refuse(where, path, "is a sparse file", "pack it without holes")
        if member.issym():
            yield Entry(path, Kind.LINK, 0o777, target=member.linkname)
            continue
        mode = checked_mode(where, path or ".", member.mode & 0o7777) if path or not member.isdir() else 0
        if member.isdir():
            if path:
                yield Entry(path, Kind.FOLDER, mode)
        elif member.isreg():
            files[path] = member
            yield Entry(path, Kind.FILE, mode, member.size, open=partial(_tar_open, tar, member))
        else:
            raise refuse(where, path, "is a device or named pipe, not a file, folder or link")


def _tar_open(tar: tarfile.TarFile, member: tarfile.TarInfo) -> AbstractContextManager[BinaryIO]:
    stream = tar.extractfile(member)
    if stream is None:
        raise tarfile.TarError(f"{member.name!a} has no content")
    return cast(AbstractContextManager[BinaryIO], stream)
