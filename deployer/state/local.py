"""Journals and leases in a folder of this machine: fsynced files, appended to or replaced whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote, unquote

from deployer.model.errors import StateUnavailable
from deployer.state.records import decode
from deployer.state.shelf import Conflict, Version

_SUFFIX = ".jsonl"
LOCK_PATIENCE = 10.0
"""Seconds to wait for another process that is between reading and writing a file, which takes milliseconds."""
_PID_WIDTH = 10


def state_home(env: Mapping[str, str], home: Path) -> Path:
    """The folder for state: `$DEPLOYER_STATE_HOME`, else `deployer/state` under `$XDG_STATE_HOME` or
    `~/.local/state`. `home` is the user's home folder."""
    if env.get("DEPLOYER_STATE_HOME"):
        return Path(env["DEPLOYER_STATE_HOME"]).expanduser()
    base = env.get("XDG_STATE_HOME")
    # A relative XDG_STATE_HOME is to be ignored, as the XDG base directory specification says.
    root = Path(base) if base and Path(base).is_absolute() else home / ".local" / "state"
    return root / "deployer" / "state"


class LocalShelf:
    """A folder: `<home>/<scope>/<fleet>/` with `lease.json` and one file a journal.

    `scope` is the account and region, or the endpoint, that fleet names belong to. `patience` is how long, in
    seconds, another process may keep a fleet's files locked before that is an error.
    """

    def __init__(self, home: Path, scope: str, patience: float = LOCK_PATIENCE) -> None:
        self._root = home / _part(scope)
        self._patience = patience

    @property
    def place(self) -> str:
        """The folder, for messages."""
        return str(self._root)

    def lease(self, fleet: str) -> Version | None:
        """The lease as it stands."""
        with self._reaching(fleet):
            return _version(self._folder(fleet) / "lease.json")

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        """Replaces the lease by an atomic rename if it is still the expected one."""
        with self._reaching(fleet), self._locked(fleet) as folder:
            path = folder / "lease.json"
            found = _version(path)
            if (found.mark if found else None) != expected:
                raise Conflict
            fresh = folder / "lease.json.new"
            fresh.unlink(missing_ok=True)  # of a process that died while it wrote
            _write_whole(fresh, content)
            fresh.replace(path)
            _sync_folder(folder)
            return _mark(content)

    def names(self, fleet: str) -> Sequence[str]:
        """The journals' names."""
        with self._reaching(fleet):
            folder = self._folder(fleet)
            if not folder.exists():
                return ()
            return sorted(unquote(p.name[: -len(_SUFFIX)]) for p in folder.iterdir() if p.name.endswith(_SUFFIX))

    def read(self, fleet: str, name: str) -> bytes:
        """A journal's content, with a torn tail if it has one."""
        with self._reaching(fleet):
            try:
                return _read(self._journal(fleet, name))
            except FileNotFoundError:
                return b""

    def open(self, fleet: str, name: str) -> LocalBook:
        """Opens a journal for appending and cuts its torn tail."""
        with self._reaching(fleet), self._locked(fleet) as folder:
            path = self._journal(fleet, name)
            content = _read(path) if path.exists() else b""
            pages = decode(content, str(path))
            with _open(path, "ab") as file:
                file.truncate(pages.whole)
                os.fsync(file.fileno())
            _sync_folder(folder)
            return LocalBook(self, fleet, path, content[: pages.whole], pages.torn)

    def remove(self, fleet: str, name: str) -> None:
        """Deletes a journal."""
        with self._reaching(fleet):
            self._journal(fleet, name).unlink(missing_ok=True)

    def extend(self, fleet: str, path: Path, size: int, line: bytes) -> None:
        """Appends to a journal that still has `size` bytes; raises Conflict when it has not."""
        with self._reaching(fleet), self._locked(fleet), _open(path, "r+b") as file:
            if file.seek(0, os.SEEK_END) != size:
                raise Conflict
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _folder(self, fleet: str) -> Path:
        return self._root / _part(fleet)

    def _journal(self, fleet: str, name: str) -> Path:
        return self._folder(fleet) / f"{_part(name)}{_SUFFIX}"

    @contextlib.contextmanager
    def _reaching(self, fleet: str) -> Iterator[None]:
        self._refuse_others(fleet)
        try:
            yield
        except OSError as error:
            raise StateUnavailable(
                f"the state of fleet {fleet} in {self._folder(fleet)} cannot be read or written: "
                f"{error.strerror or error}; nothing is changed without it"
            ) from None

    def _refuse_others(self, fleet: str) -> None:
        """A folder of somebody else's: they could say who holds the fleet, and what a resume goes on with.

        One of root's may be shared by those who deploy from this machine.
        """
        folder = self._folder(fleet)
        for place in (folder, *folder.parents[:2]):
            try:
                found = place.lstat()
            except OSError:
                continue
            if found.st_uid not in (0, os.geteuid()):
                raise StateUnavailable(
                    f"the state of fleet {fleet} would be in {place}, which belongs to user {found.st_uid} and not "
                    f"to user {os.geteuid()}; name a folder of your own with path in [state]"
                )

    @contextlib.contextmanager
    def _locked(self, fleet: str) -> Iterator[Path]:
        """Keeps other processes out between a look and a write. The kernel frees the lock of a dead process."""
        folder = self._folder(fleet)
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for parent in folder.parents[:3]:
                _sync_folder(parent)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(handle, self._patience)
            yield folder
        finally:
            os.close(handle)


class LocalBook:
    """A journal file, open for one writer."""

    def __init__(self, shelf: LocalShelf, fleet: str, path: Path, content: bytes, torn: int) -> None:
        self._shelf = shelf
        self._fleet = fleet
        self._path = path
        self._size = len(content)
        self.content = content
        self.torn = torn

    def append(self, line: bytes) -> None:
        """Adds a line and waits until it is on the disk."""
        self._shelf.extend(self._fleet, self._path, self._size, line)
        self._size += len(line)


def _part(text: str) -> str:
    """One name of a path: nothing in it leaves the folder or hides."""
    name = quote(text, safe="@+=")
    return name.replace(".", "%2E", 1) if name.startswith(".") else name


def _version(path: Path) -> Version | None:
    try:
        content = _read(path)
    except FileNotFoundError:
        return None
    return Version(content, _mark(content))


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _open(path: Path, mode: str) -> BinaryIO:
    return cast(BinaryIO, open(path, mode, opener=_no_link))


def _read(path: Path) -> bytes:
    with _open(path, "rb") as file:
        return file.read()


def _write_whole(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, _MAKE, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(handle: int, patience: float) -> None:
    """Locks the file and writes into it who did."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise OSError(errno.ETIMEDOUT, _kept(handle, patience)) from None
            time.sleep(0.01)
        else:
            os.pwrite(handle, f"{os.getpid():<{_PID_WIDTH}}".encode(), 0)
            return


def _kept(handle: int, patience: float) -> str:
    """Why the lock was not to be had. Whoever keeps it so long was frozen: only its end or its waking frees it."""
    pid = os.pread(handle, _PID_WIDTH, 0).decode(errors="replace").strip()
    return (
        f"process {pid} has kept its lock for {patience:g} s, as one does that was frozen while it wrote: "
        f"`kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it, and `deployer resume` then takes over"
    )
