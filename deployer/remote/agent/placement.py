"""Which file of a bundle goes where on this host, and what stands in the way."""

import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence, Set, Union

from deployer.remote.agent.host import Machine
from deployer.remote.agent.neighbours import Installed, Owner
from deployer.remote.agent.request import Spec
from deployer.remote.agent.tree import FOLDER, Listed, OnDisk

_NAMED = 3
"""Files that a sentence names; the others are counted."""


class Problem(NamedTuple):
    """Why a release cannot be installed, in a sentence.

    `lasting` says that no script of the release can mend it; one that runs before may make a user or remove a file.
    """

    text: str
    lasting: bool


class Placement:
    """The files and folders of one release on this host. Nothing is changed."""

    def __init__(self, machine: Machine, spec: Spec, tree: Union[OnDisk, Listed], installed: Installed) -> None:
        self.copies: Dict[Path, str] = {}
        """Destination → path in the bundle."""
        self.folders: List[Path] = []
        """The folders that are this deployment's, the outermost first."""
        self._known: Set[Path] = set()
        self._spec = spec
        self._tree = tree
        self._installed = installed
        self._problems: List[Problem] = []
        self._strangers: List[Path] = []
        self._others: Dict[Owner, List[Path]] = {}
        for copy in spec.files:
            self._place(
                os.path.normpath("/" + copy.source).lstrip("/"), copy.source, machine.path(copy.destination)
            )

    @property
    def problems(self) -> List[Problem]:
        """Everything that stands in the way."""
        found = list(self._problems)
        for owner, paths in self._others.items():
            found.append(Problem(_of_another(paths, owner), lasting=True))
        if self._strangers:
            found.append(Problem(_exists(self._strangers), lasting=False))
        return found

    def _place(self, source: str, name: str, destination: Path) -> None:
        kind = self._tree.kind(source)
        if kind == FOLDER:
            self._place_folder(source, destination)
        elif kind is not None:
            self._place_file(source, destination / Path(source).name)
        elif isinstance(self._tree, OnDisk):  # a list does not follow links
            self._refuse(f"files: the bundle has no {name}", lasting=True)

    def _place_folder(self, source: str, destination: Path) -> None:
        self._need_folder(destination)
        for name in self._tree.children(source):
            entry = str(Path(source) / name)
            if self._tree.kind(entry) == FOLDER:
                self._place_folder(entry, destination / name)
            else:
                self._place_file(entry, destination / name)

    def _place_file(self, source: str, destination: Path) -> None:
        if destination in self.copies:
            self._refuse(f"files: {destination} is the destination of two files", lasting=True)
            return
        if destination in self._known or (destination.is_dir() and not destination.is_symlink()):
            self._refuse(f"files: {destination} would be a file and is a folder", lasting=False)
            return
        self._need_folder(destination.parent)
        if self._may_be_placed(destination):
            self.copies[destination] = source

    def _may_be_placed(self, destination: Path) -> bool:
        exists = destination.exists() or destination.is_symlink()
        ours = destination in self._installed.files
        if exists and not ours and self._spec.file_exists == "RETAIN":
            return False
        owner = self._installed.owner_of(destination)
        if owner is not None:
            self._others.setdefault(owner, []).append(destination)
        elif exists and not ours and self._spec.file_exists == "DISALLOW":
            self._strangers.append(destination)
        return True

    def _need_folder(self, folder: Path) -> None:
        """Notes the folder and its missing parents as part of this deployment, the outermost first."""
        if folder in self._known:
            return
        if folder in self.copies:
            self._refuse(f"files: {folder} would be a folder and is a file", lasting=True)
            return
        if folder.exists():
            if not folder.is_dir():
                self._refuse(f"files: {folder} is needed as a folder and is a file", lasting=False)
            elif folder in self._installed.folders:
                self._take(folder)
            return
        self._need_folder(folder.parent)
        self._take(folder)

    def _take(self, folder: Path) -> None:
        self._known.add(folder)
        self.folders.append(folder)

    def _refuse(self, text: str, *, lasting: bool) -> None:
        problem = Problem(text, lasting)
        if problem not in self._problems:
            self._problems.append(problem)


def destinations(machine: Machine, spec: Spec, tree: Union[OnDisk, Listed]) -> List[str]:
    """Every path that a release installs, whatever is there already."""
    everything = spec._replace(file_exists="OVERWRITE")
    return [str(path) for path in Placement(machine, everything, tree, Installed(set(), [], {})).copies]


def names(paths: Sequence[Path]) -> str:
    """A few paths by name, and how many more there are."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(str(path) for path in paths[:_NAMED]) + more


def _exists(paths: Sequence[Path]) -> str:
    verb = "exist" if len(paths) > 1 else "exists"
    return (
        f"files: {names(paths)} {verb} already and no deployment put it there; remove it, or set "
        "file_exists_behavior to OVERWRITE or RETAIN"
    )


def _of_another(paths: Sequence[Path], owner: Owner) -> str:
    were = "were" if len(paths) > 1 else "was"
    return (
        f"files: {names(paths)} {were} installed by {owner}, which shares this host; install it elsewhere, or "
        f"remove {owner.folder} if that fleet is no longer here"
    )
