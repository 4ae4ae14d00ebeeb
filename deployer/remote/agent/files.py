"""The Install event: files put in place as a whole, and only then the old ones removed."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Dict, List, Set

from deployer.remote.agent.host import Machine
from deployer.remote.agent.permissions import Assigner
from deployer.remote.agent.request import Spec
from deployer.remote.agent.store import HostError, Store, read_json, write_json
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
        self._copies: Dict[Path, Path] = {}
        self._folders: List[Path] = []
        self._made: List[Path] = []
        before = read_json(store.installed_file) or {}
        self._old_files: Set[Path] = {Path(name) for name in before.get("files", [])}
        self._old_folders: List[Path] = [Path(name) for name in before.get("folders", [])]

    def install(self) -> None:
        """Puts the release in place. Raises HostError; then the files of the last release are as they were."""
        self._plan()
        permissions = Assigner(self._machine, set(self._copies), set(self._folders), self._spec.permissions)
        try:
            self._stage(permissions)
        except OSError as problem:
            self._undo()
            raise HostError(f"the files cannot be put in place: {problem}") from problem
        except BaseException:
            self._undo()
            raise
        self._record(self._old_files | set(self._copies), self._old_folders + self._folders)
        for destination in self._copies:
            self._staged(destination).replace(destination)
        self._remove_old()
        self._record(set(self._copies), self._folders)
        permissions.assign_contexts()

    def _plan(self) -> None:
        for copy in self._spec.files:
            source = self._bundle / os.path.normpath("/" + copy.source).lstrip("/")
            destination = self._machine.path(copy.destination)
            if source.is_dir() and not source.is_symlink():
                self._plan_folder(source, destination)
            elif source.exists() or source.is_symlink():
                self._plan_file(source, destination / source.name)
            else:
                raise HostError(f"files: the bundle has no {copy.source}")

    def _plan_folder(self, source: Path, destination: Path) -> None:
        self._need_folder(destination)
        for entry in sorted(source.iterdir()):
            target = destination / entry.name
            if entry.is_dir() and not entry.is_symlink():
                self._plan_folder(entry, target)
            else:
                self._plan_file(entry, target)

    def _plan_file(self, source: Path, destination: Path) -> None:
        if destination in self._copies:
            raise HostError(f"files: {destination} is the destination of two files")
        if destination in self._folders or (destination.is_dir() and not destination.is_symlink()):
            raise HostError(f"files: {destination} would be a file and is a folder")
        self._need_folder(destination.parent)
        exists = destination.exists() or destination.is_symlink()
        if exists and destination not in self._old_files:
            if self._spec.file_exists == "RETAIN":
                return
            if self._spec.file_exists == "DISALLOW":
                raise HostError(
                    f"files: {destination} exists already and no deployment put it there; remove it, or set "
                    "file_exists_behavior to OVERWRITE or RETAIN"
                )
        self._copies[destination] = source

    def _need_folder(self, folder: Path) -> None:
        """Notes the folder and its missing parents as part of this deployment, the outermost first."""
        if folder in self._folders:
            return
        if folder in self._copies:
            raise HostError(f"files: {folder} would be a folder and is a file")
        if folder.exists():
            if not folder.is_dir():
                raise HostError(f"files: {folder} is needed as a folder and is a file")
            if folder in self._old_folders:
                self._folders.append(folder)
            return
        self._need_folder(folder.parent)
        self._folders.append(folder)

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
        for path in self._old_files - set(self._copies):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                path.unlink()
        for folder in reversed(self._old_folders):
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
