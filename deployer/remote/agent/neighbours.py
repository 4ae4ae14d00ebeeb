"""What other fleets have installed on this host: it is theirs alone."""

import contextlib
import os
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from deployer.remote.agent.store import HostError, Store, fleets_in, read_json
from deployer.remote.agent.takeover import found_elsewhere, is_ours


class Owner(NamedTuple):
    """Who installed a file, and where that is written down."""

    fleet: Optional[str]
    """None for a deployment by an earlier version that does not tell."""
    folder: Path

    def __str__(self) -> str:
        return f"fleet {self.fleet}" if self.fleet is not None else "a deployment that does not tell its fleet"


class Installed(NamedTuple):
    """What is installed on this host: this fleet's own files and folders, and who owns the others' files."""

    files: Set[Path]
    folders: List[Path]
    others: Dict[str, Owner]

    def owner_of(self, path: Path) -> Optional[Owner]:
        """The other fleet that installed a file, under whichever name its folder goes."""
        return self.others.get(_real(path))


def installed_on(store: Store, destinations: Optional[Sequence[str]] = None) -> Installed:
    """Reads the records of every fleet on this host. `destinations` tells whose an old store is; see `is_ours`."""
    own = read_json(store.installed_file) or {}
    files, folders = list(own.get("files", [])), list(own.get("folders", []))
    others: Dict[str, Owner] = {}
    for owner, theirs in _others(store):
        others.update((_real(Path(name)), owner) for name in theirs)
    for found in found_elsewhere(store):
        if is_ours(store, found, destinations):
            files += found.files
            folders += found.folders
        elif found.owner != store.fleet:
            others.update((_real(Path(name)), Owner(found.owner, found.folder)) for name in found.files)
    return Installed({Path(name) for name in files}, [Path(name) for name in folders], others)


def fleets_on(store: Store) -> List[str]:
    """The other fleets that have a release on this host."""
    found = {owner.fleet for owner, _ in _others(store)} | {one.owner for one in found_elsewhere(store)}
    return sorted(name for name in found if name not in (None, store.fleet))


def _others(store: Store) -> Iterator[Tuple[Owner, List[str]]]:
    for place in store.places:
        folders: List[Path] = []
        with contextlib.suppress(OSError):  # none there, or another user's, whose files we cannot touch either
            folders = sorted(fleets_in(place).iterdir())
        for folder in folders:
            if folder.name == store.fleet:
                continue
            with contextlib.suppress(HostError):
                record = read_json(folder / "installed.json")
                if record is not None:
                    yield Owner(folder.name, folder), list(record.get("files", []))


def _real(path: Path) -> str:
    return os.path.realpath(str(path.parent)) + "/" + path.name
