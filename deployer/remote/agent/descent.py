"""Folders reached step by step and held by descriptor: nobody can put a link in the way of what root writes."""

import contextlib
import errno
import os
import pwd
import stat
from pathlib import Path
from typing import Iterator

from deployer.remote.agent.store import HostError

_MOST_LINKS = 40
"""Links in the way to one folder; as many as Linux follows."""
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A descriptor of a folder, for the `dir_fd` of what is done in it. Raises HostError and OSError.

    Links are followed where root, or the user that this runs as, made them. Whoever else may write to a folder may
    put a link into it; that one is followed only to a folder of the same owner, where he may do as he likes anyway.
    """
    descent = _Descent(folder)
    try:
        yield descent.place
    finally:
        os.close(descent.place)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[int]:
    """The same, for what a descriptor is needed that stands for the folder's content: its mode, owner and list."""
    with opened(folder) as place:
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=place)
        try:
            yield handle
        finally:
            os.close(handle)


def real_path(folder: Path) -> str:
    """Where a folder lies, by the same rules."""
    with opened(folder) as place:
        return os.readlink(f"/proc/self/fd/{place}")


class _Descent:
    """One way down; `place` is where it has come to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links = 0
        self.place = os.open("/", _STEP)
        try:
            self._go(str(folder))
        except BaseException:
            os.close(self.place)
            raise

    def _go(self, path: str) -> None:
        if path.startswith("/"):
            self._move(os.open("/", _STEP))
        for part in path.split("/"):
            if part in ("", "."):
                continue
            try:
                below = os.open(part, _STEP, dir_fd=self.place)
            except OSError as problem:
                if problem.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                self._follow(part, problem)
            else:
                self._move(below)

    def _follow(self, name: str, problem: OSError) -> None:
        """Goes where a link leads. Raises `problem` again where there is no link."""
        link = os.stat(name, dir_fd=self.place, follow_symlinks=False)
        if not stat.S_ISLNK(link.st_mode):
            raise problem
        self._links += 1
        if self._links > _MOST_LINKS:
            raise HostError(f"files: the way to {self._folder} leads over links in a circle; remove them")
        made_by = [uid for uid in (os.fstat(self.place).st_uid, link.st_uid) if uid not in (0, os.geteuid())]
        target = os.readlink(name, dir_fd=self.place)
        self._go(target)
        if made_by and os.fstat(self.place).st_uid != made_by[0]:
            raise HostError(
                f"files: on the way to {self._folder} {name} is a link to {target}, made in a folder of "
                f"{_user(made_by[0])}, and leads to one of {_user(os.fstat(self.place).st_uid)}: nothing is "
                "installed through it; remove it, or name the folder itself as the destination"
            )

    def _move(self, to: int) -> None:
        os.close(self.place)
        self.place = to


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
