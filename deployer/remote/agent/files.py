"""The Install event: files put in place as a whole, and only then the old ones removed."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Callable, List, Set

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
            self._staged(destination).replace(destination)
        self._remove_old()
        self._record(set(self._copies), self._folders)
        permissions.assign_contexts()

    def _stage(self, permissions: Assigner) -> None:
        for folder in self._folders:
            if not folder.exists():
                folder.mkdir()
                self._made.append(folder)
            permissions.assign(folder, folder)
        needed = sum(source.stat().st_size for source in self._copies.values() if not source.is_symlink())
        if self._copies:
            check_space(next(iter(self._copies)).parent, needed)
        for destination, source in self._copies.items():
            staged = self._staged(destination)
            with contextlib.suppress(FileNotFoundError):
                staged.unlink()
            if source.is_symlink():
                staged.symlink_to(os.readlink(str(source)))
                continue
            # The time of the copy and not of the bundle: caches compare times of files of equal size.
            shutil.copyfile(str(source), str(staged))
            shutil.copymode(str(source), str(staged))
            permissions.assign(destination, staged)

    def _staged(self, destination: Path) -> Path:
        return destination.parent / ("." + destination.name[:180] + self._suffix)

    def _undo(self) -> None:
        for destination in self._copies:
            with contextlib.suppress(OSError):
                self._staged(destination).unlink()
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _remove_old(self) -> None:
        for path in self._installed.files - set(self._copies):
            if self._installed.owner_of(path) is not None:
                continue
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                path.unlink()
        for folder in reversed(self._installed.folders):
            if folder not in self._folders:
                with contextlib.suppress(OSError):  # somebody else's files are in it: it stays
                    folder.rmdir()

    def _record(self, files: Set[Path], folders: List[Path]) -> None:
        unique = list(dict.fromkeys(folders))
        write_json(
            self._store.installed_file,
            {"files": sorted(map(str, files)), "folders": [str(folder) for folder in unique]},
        )


def installed_by(store: Store) -> List[str]:
    """The files that the last deployment put in place."""
    return list((read_json(store.installed_file) or {}).get("files", []))
