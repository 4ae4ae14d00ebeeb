"""A fleet's folder on the host: its bundles, its unpacked releases and the markers of its jobs."""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

TAIL = 8192
"""Bytes of a job's output that a status carries."""


class HostError(Exception):
    """A sentence for the user: what could not be done on this host, and why."""


class Store:
    """The layout of one fleet's folder under the root; every write is durable before it is relied upon.

    Two fleets may share a host: nothing of one fleet is ever looked up, run or removed for another. `formers` are
    other places where this program has kept its folders on this host.
    """

    def __init__(self, root: Path, fleet: str, formers: Sequence[Path] = ()) -> None:
        self.root = root
        self.fleet = fleet
        self.formers = tuple(place for place in formers if place != root)
        self.folder = fleets_in(root) / fleet

    @property
    def places(self) -> Tuple[Path, ...]:
        """Every root that may hold something of this or another fleet, this store's own first."""
        return (self.root, *self.formers)

    @property
    def lock_file(self) -> Path:
        """Held while a job of this fleet runs."""
        return self.folder / "lock"

    @property
    def files_lock(self) -> Path:
        """Held by whichever fleet puts its files in place: what is whose must not change meanwhile."""
        return self.root / "files.lock"

    @property
    def incoming(self) -> Path:
        """Uploads that are not verified yet."""
        return self.folder / "incoming"

    @property
    def state_file(self) -> Path:
        """Which release succeeded last, and which before it."""
        return self.folder / "state.json"

    @property
    def installed_file(self) -> Path:
        """The paths that the last installation put in place."""
        return self.folder / "installed.json"

    @property
    def bundles(self) -> Path:
        """The verified archives."""
        return self.folder / "bundles"

    @property
    def releases(self) -> Path:
        """The unpacked releases."""
        return self.folder / "releases"

    @property
    def jobs(self) -> Path:
        """One folder a job."""
        return self.folder / "jobs"

    def bundle(self, digest: str) -> Path:
        """The verified archive of a release."""
        return self.bundles / (digest + ".tar.gz")

    def release(self, digest: str) -> Path:
        """The folder of an unpacked release: `bundle/` and `spec.json`; it exists only when it is whole."""
        return self.releases / digest

    def job(self, name: str) -> Path:
        """The folder of a job: request, status, output."""
        return self.jobs / name

    def prepare(self) -> None:
        """Makes the folders. Releases can be entered by every user, since scripts may run as another one."""
        for folder in (self.root, fleets_in(self.root), self.folder, self.releases):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)
        for folder in (self.incoming, self.bundles, self.jobs):
            folder.mkdir(mode=0o700, exist_ok=True)


def fleets_in(root: Path) -> Path:
    """Where a root keeps one folder a fleet."""
    return root / "fleets"


def write_json(path: Path, value: Any) -> None:
    """Replaces a file as a whole, durably: a reader sees the old content or the new one."""
    handle, name = tempfile.mkstemp(dir=str(path.parent), prefix="." + path.name)
    try:
        with os.fdopen(handle, "w") as stream:
            json.dump(value, stream, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_folder(path.parent)


def read_json(path: Path) -> Optional[Dict[str, Any]]:
    """The object in a file, or None when there is no file. Raises HostError when it cannot be read."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise HostError(f"{path} cannot be read: {problem}; move it away to start afresh") from problem
    return value if isinstance(value, dict) else {}


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable."""
    handle = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def tail_of(path: Path, limit: int = TAIL) -> str:
    """The last bytes of a file as text; empty when there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - limit))
            return stream.read(limit).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file; it goes with the process, whatever became of that."""
    try:
        with path.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


@contextlib.contextmanager
def locked(path: Path, complaint: str, wait: bool = False) -> Iterator[None]:
    """Holds the lock of a file. While another process has it: waits, or raises HostError with `complaint`."""
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise HostError(complaint) from problem
        yield


def succeeded(store: Store) -> List[str]:
    """The digests that succeeded on this host, the last one first."""
    state = read_json(store.state_file) or {}
    return [digest for digest in (state.get("current"), state.get("previous")) if digest]


def remember_begin(store: Store, digest: str) -> None:
    """Notes that a release is being installed: until it succeeds, neither it nor the last is known to run."""
    state = read_json(store.state_file) or {}
    write_json(store.state_file, {**state, "unfinished": digest})


def marker(store: Store) -> Dict[str, str]:
    """The digest that succeeded here last, and the one whose installation did not come to its end, if any."""
    state = read_json(store.state_file) or {}
    return {"current": state.get("current") or "", "unfinished": state.get("unfinished") or ""}


def remember_success(store: Store, digest: str) -> None:
    """Makes a release the last one that succeeded; the one before stays known."""
    known = [other for other in succeeded(store) if other != digest]
    write_json(store.state_file, {"current": digest, "previous": known[0] if known else None})
