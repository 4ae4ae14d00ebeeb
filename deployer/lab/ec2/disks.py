"""Folders that stand for block devices: volumes and snapshots are copies, never links, of each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

COPY_SECONDS = 300
"""A copy that takes longer than this is stuck."""


class DiskError(Exception):
    """A folder could not be copied; the sentence says which and why."""


DiskWork = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command that may do with every file of a disk what root may; returns its exit code and errors."""


def copy_tree(source: Path, target: Path, work: DiskWork) -> None:
    """Makes `target` a copy of `source`: modes, times, owners and links kept, data shared only copy-on-write.

    What disappears from a live disk while it is copied is left out, as a snapshot of a disk that is in
    use is no better than crash-consistent. `target` appears whole or not at all.
    """
    if not source.is_dir():
        raise DiskError(f"cannot copy the disk {source}: the folder is not there")
    partial = target.with_name(target.name + ".partial")
    remove_tree(partial, work)
    partial.parent.mkdir(parents=True, exist_ok=True)
    copy = ["timeout", str(COPY_SECONDS), "cp", "-a", "--reflink=auto", "--", str(source), str(partial)]
    code, said = work(copy)
    problems = [line for line in said.splitlines() if not line.endswith("No such file or directory")]
    if code != 0 and (problems or not partial.is_dir()):
        remove_tree(partial, work)
        raise DiskError(f"cannot copy the disk {source} to {target}: {'; '.join(problems[:3]) or said}")
    partial.rename(target)


def remove_tree(path: Path, work: DiskWork) -> None:
    """Removes a disk, if it is there; what cannot be removed is left."""
    if path.exists():
        work(["rm", "-rf", "--", str(path)])


class Shelf:
    """A folder of disks by id. A disk in use is removed when its last reader lets go of it."""

    def __init__(self, home: Path, work: DiskWork) -> None:
        self._home = home
        self._work = work
        self._lock = threading.Lock()
        self._readers: dict[str, int] = {}
        self._doomed: set[str] = set()
        home.mkdir(parents=True, exist_ok=True)

    def path(self, disk_id: str) -> Path:
        """Where the disk is."""
        return self._home / disk_id

    def holds(self, disk_id: str) -> bool:
        """Whether the disk is there and not about to go."""
        with self._lock:
            return disk_id not in self._doomed and self.path(disk_id).is_dir()

    def copy_to(self, disk_id: str, target: Path) -> None:
        """Copies the disk to `target`, held meanwhile. Raises DiskError."""
        self.hold(disk_id)
        try:
            copy_tree(self.path(disk_id), target, self._work)
        finally:
            self.release(disk_id)

    def hold(self, disk_id: str) -> None:
        """Keeps the disk until `release`, whatever is discarded meanwhile."""
        with self._lock:
            self._readers[disk_id] = self._readers.get(disk_id, 0) + 1

    def release(self, disk_id: str) -> None:
        """Ends one `hold`."""
        with self._lock:
            left = self._readers.pop(disk_id) - 1
            if left:
                self._readers[disk_id] = left
                return
            if disk_id not in self._doomed:
                return
            self._doomed.discard(disk_id)
        remove_tree(self.path(disk_id), self._work)

    def discard(self, disk_id: str) -> None:
        """Removes the disk now, or when nobody reads it any more."""
        with self._lock:
            if self._readers.get(disk_id):
                self._doomed.add(disk_id)
                return
        remove_tree(self.path(disk_id), self._work)
