"""Takes over what an earlier version of this program, or one with another root, has kept on this host.

Earlier versions kept one store a host, at `~/.deployer`, whichever fleet it was for.
"""

import errno
import shutil
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from deployer.remote.agent.store import HostError, Store, fleets_in, is_locked, locked, read_json, write_json

_MARKS = ("state.json", "installed.json")
"""A folder with one of these holds a deployment."""
_TAKEN = "taken.json"
"""Says which fleet takes an old store over: decided once, whatever happens on the way."""


class Found(NamedTuple):
    """A store that is not where this version keeps it. `owner` is None where nothing tells whose it is."""

    folder: Path
    owner: Optional[str]
    files: List[str]
    folders: List[str]


def found_elsewhere(store: Store) -> List[Found]:
    """The stores of earlier versions, of every fleet, and this fleet's under another root."""
    found = []
    for place in store.places:
        if _holds_deployment(place):
            found.append(_found(place, _owner(place)))
        moved = fleets_in(place) / store.fleet
        if place != store.root and _holds_deployment(moved):
            found.append(_found(moved, store.fleet))
    return found


def is_ours(store: Store, found: Found, destinations: Optional[Sequence[str]]) -> bool:
    """Whether a store is this fleet's.

    A baked image does not tell whose store it holds. Then it is this fleet's if at least half of what was installed
    is installed by the release at hand, too (`destinations`; None while there is none): an application that is
    somebody else's must not be stopped and removed.
    """
    if store.state_file.exists():
        return False  # it has one of its own already
    if found.owner is not None:
        return found.owner == store.fleet
    if destinations is None:
        return False
    return 2 * len(set(found.files) & set(destinations)) >= len(found.files)


def take_over(store: Store, destinations: Optional[Sequence[str]] = None) -> None:
    """Moves what is this fleet's to where it is kept now. Raises HostError while a job still runs there."""
    if not found_elsewhere(store):
        return
    with locked(store.files_lock, "", wait=True):
        for found in found_elsewhere(store):
            if is_ours(store, found, destinations):
                _move(found.folder, store)


def _holds_deployment(folder: Path) -> bool:
    try:
        return any((folder / name).exists() for name in _MARKS)
    except PermissionError:
        return False


def _found(folder: Path, owner: Optional[str]) -> Found:
    try:
        installed = read_json(folder / "installed.json") or {}
    except HostError as problem:
        if isinstance(problem.__cause__, PermissionError):
            return Found(folder, owner, [], [])  # another user's: if it is ours after all, moving it says so
        raise
    return Found(folder, owner, list(installed.get("files", [])), list(installed.get("folders", [])))


def _owner(folder: Path) -> Optional[str]:
    """The fleet of the last release that succeeded there, as the requests of its jobs tell."""
    try:
        taken = read_json(folder / _TAKEN)
        if taken is not None:
            return str(taken["fleet"])
        current = (read_json(folder / "state.json") or {}).get("current")
        jobs = [read_json(path) or {} for path in sorted((folder / "jobs").glob("*/request.json"), key=_changed)]
    except (OSError, HostError):
        return None
    installed = [job for job in jobs if "Install" in job.get("events", ())]
    ranked = [_fleet_of(job) for job in installed if job.get("digest") == current] or [
        _fleet_of(job) for job in installed
    ]
    return ranked[-1] if ranked else None


def _fleet_of(job: Dict[str, Any]) -> Optional[str]:
    name = job.get("environment", {}).get("DEPLOYMENT_GROUP_NAME")
    return str(name) if name else None


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _move(old: Path, store: Store) -> None:
    """Moves a store piece by piece, the state last: if this is cut short, the next call goes on."""
    if is_locked(old / "lock"):
        raise HostError(
            "a deployment that an earlier version of deployer began still runs on this host; wait for it to end"
        )
    try:
        write_json(old / _TAKEN, {"fleet": store.fleet})
        for folder in ("releases", "jobs", "bundles"):
            for entry in sorted(old.glob(folder + "/*")):
                _move_entry(entry, store.folder / folder / entry.name, linked=folder == "releases")
        for name in reversed(_MARKS):
            if (old / name).exists():
                _move_entry(old / name, store.folder / name, linked=False)
        (old / _TAKEN).unlink()
    except OSError as problem:
        raise HostError(
            f"{old}, where this fleet's releases were kept before, cannot be moved to {store.folder}: {problem}"
        ) from problem


def _move_entry(old: Path, new: Path, *, linked: bool) -> None:
    """Moves a file or folder, to another disk too. A release can be found at its old path as well (`linked`):
    what was started or configured from there goes on finding its files.
    """
    if old.is_symlink() or new.exists():
        return
    try:
        old.rename(new)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        _copy(old, new)
        if linked:
            return  # a process that runs from the old folder keeps it
        if old.is_dir():
            shutil.rmtree(str(old))
        else:
            old.unlink()
    if linked:
        old.symlink_to(str(new))


def _copy(old: Path, new: Path) -> None:
    work = new.parent / ("." + new.name + ".moving")
    if old.is_dir():
        shutil.rmtree(str(work), ignore_errors=True)
        shutil.copytree(str(old), str(work), symlinks=True)
    else:
        shutil.copy2(str(old), str(work))
    work.replace(new)
