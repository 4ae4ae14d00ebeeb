"""The Install event: files put in place as a whole, and only then the old ones removed."""

import contextlib
import os
import shutil
import stat
from pathlib import Path
from typing import Callable, List, Set

from deployer.remote.agent.descent import held, opened
from deployer.remote.agent.host import Machine
from deployer.remote.agent.neighbours import installed_on
from deployer.remote.agent.permissions import Assigner
from deployer.remote.agent.placement import Placement
from deployer.remote.agent.request import Spec
from deployer.remote.agent.store import HostError, Store, read_json, write_json
from deployer.remote.agent.tree import OnDisk
from deployer.remote.agent.unpack import check_space


class Installer:
    """Installs the files of one release.

    First everything is copied beside its destination, where a full disk or a missing user changes nothing;
    then each copy is renamed into place; then goes what only the last deployment had.
    """

    def __init__(self, store: Store, machine: Machine, bundle: Path, spec: Spec, job: str) -> None:
        self._store = store
        self._machine = machine
        self._bundle = bundle
        self._spec = spec
        self._suffix = "." + job[:12] + ".deploying"
        self._installed = installed_on(store)
        self._placement = Placement(machine, spec, OnDisk(bundle), self._installed)
        self._copies = {path: bundle / name for path, name in self._placement.copies.items()}
        self._folders = self._placement.folders
        self._made: List[Path] = []

    def install(self, changing: Callable[[], None] = lambda: None) -> None:
        """Puts the release in place. Raises HostError.

        `changing` is called before the first file is: until then, the files of the last release are as they were.
        """
        problems = self._placement.problems
        if problems:
            raise HostError("; ".join(problem.text for problem in problems))
        permissions = Assigner(self._machine, set(self._copies), set(self._folders), self._spec.permissions)
        try:
            self._stage(permissions)
        except OSError as problem:
            self._undo()
            raise HostError(f"the files cannot be put in place: {problem}") from problem
        except BaseException:
            self._undo()
            raise
        changing()
        before = self._installed
        self._record(before.files | set(self._copies), before.folders + self._folders)
        for destination in self._copies:
            with opened(destination.parent) as folder:
                os.replace(self._staged(destination), destination.name, src_dir_fd=folder, dst_dir_fd=folder)
        self._remove_old()
        self._record(set(self._copies), self._folders)
        permissions.assign_contexts()

    def _stage(self, permissions: Assigner) -> None:
        for path in self._folders:
            if not path.exists():
                with opened(path.parent) as parent:
                    os.mkdir(path.name, dir_fd=parent)
                self._made.append(path)
            if permissions.names(path):
                with held(path) as handle:
                    permissions.assign(path, handle)
        needed = sum(source.stat().st_size for source in self._copies.values() if not source.is_symlink())
        if self._copies:
            check_space(next(iter(self._copies)).parent, needed)
        for destination, source in self._copies.items():
            with opened(destination.parent) as folder:
                staged = self._staged(destination)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(staged, dir_fd=folder)
                if source.is_symlink():
                    os.symlink(os.readlink(str(source)), staged, dir_fd=folder)
                    continue
                handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
                # The time of the copy and not of the bundle: caches compare times of files of equal size.
                with os.fdopen(handle, "wb") as target, source.open("rb") as content:
                    shutil.copyfileobj(content, target, 1 << 20)
                    target.flush()
                    os.fchmod(handle, stat.S_IMODE(os.fstat(content.fileno()).st_mode))
                    permissions.assign(destination, handle)

    def _staged(self, destination: Path) -> str:
        """The name of a copy beside its destination."""
        return "." + destination.name[:180] + self._suffix

    def _undo(self) -> None:
        for destination in self._copies:
            with contextlib.suppress(OSError, HostError), opened(destination.parent) as folder:
                os.unlink(self._staged(destination), dir_fd=folder)
        for made in reversed(self._made):
            with contextlib.suppress(OSError, HostError), opened(made.parent) as parent:
                os.rmdir(made.name, dir_fd=parent)

    def _remove_old(self) -> None:
        for path in self._installed.files - set(self._copies):
            if self._installed.owner_of(path) is not None:
                continue
            # What lies behind a link of somebody else's was not installed there.
            gone = contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError, HostError)
            with gone, opened(path.parent) as folder:
                os.unlink(path.name, dir_fd=folder)
        for old in reversed(self._installed.folders):
            if old not in self._folders:
                # Somebody else's files are in it: it stays.
                with contextlib.suppress(OSError, HostError), opened(old.parent) as parent:
                    os.rmdir(old.name, dir_fd=parent)

    def _record(self, files: Set[Path], folders: List[Path]) -> None:
        unique = list(dict.fromkeys(folders))
        write_json(
            self._store.installed_file,
            {"files": sorted(map(str, files)), "folders": [str(folder) for folder in unique]},
        )


def installed_by(store: Store) -> List[str]:
    """The files that the last deployment put in place."""
    return list((read_json(store.installed_file) or {}).get("files", []))
