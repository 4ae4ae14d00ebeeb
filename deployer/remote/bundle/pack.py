"""From entries to one archive that is the same bytes for the same content, named by its digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from deployer.remote.bundle.entries import Entry, Inspection, Kind, refuse
from deployer.remote.bundle.secret_files import refuse_secrets
from deployer.remote.errors import BundleError

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Packed:
    """A normalised bundle on this machine.

    `digest` is over paths, kinds, modes, bytes and link targets; `sha256` over the archive as it is sent;
    `unpacked` is the size of its files in bytes.
    """

    digest: str
    archive: Path
    sha256: str
    unpacked: int


@dataclass(frozen=True)
class _Stored:
    """An entry whose content was read and checked."""

    entry: Entry
    content: str = ""
    """sha256 of a file's bytes."""
    size: int = 0
    spool: Path | None = None

    @property
    def line(self) -> bytes:
        """What the digest is made of; the parts cannot run into each other, since no path holds a null."""
        entry = self.entry
        return "\0".join((entry.kind.value, entry.path, f"{entry.mode:o}", self.content, entry.target, "")).encode()


def pack(
    entries: Iterable[Entry], inspection: Inspection, where: str, cache: Path, *, secrets: Sequence[str] = ()
) -> Packed:
    """Checks and reads every entry, then writes the archive into the cache. Raises BundleError.

    `secrets` are the patterns of files that are taken although they look like secrets.

    Nothing of a refused bundle stays behind.
    """
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    # All of it is looked at before any of it is written: a bomb costs neither space nor time.
    checked = list(inspection.check(entries))
    refuse_secrets(where, checked, secrets)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".spool-") as spool:
        stored = [_store(entry, where, Path(spool, str(number))) for number, entry in enumerate(checked)]
        if not stored:
            raise BundleError(f"the bundle {where} is empty; it must hold an appspec.yml")
        stored = _complete(stored)
        digest = _digest(stored)
        return find(cache, digest) or _write(stored, digest, cache)


def content_digest(entries: Iterable[Entry], where: str, spool: Path) -> str:
    """The digest that entries have as they are, to compare with the one that was pinned; nothing is kept."""
    stored = []
    for entry in entries:
        stored.append(_store(entry, where, spool))
        spool.unlink(missing_ok=True)
    return _digest(_complete(stored))


def _complete(stored: Iterable[_Stored]) -> list[_Stored]:
    """In the order of their paths, with the folders that an archive left unsaid."""
    by_path = {item.entry.path: item for item in stored}
    for path in list(by_path):
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                by_path.setdefault(str(parent), _Stored(Entry(str(parent), Kind.FOLDER, 0o755)))
    return [by_path[path] for path in sorted(by_path)]


def _digest(stored: Iterable[_Stored]) -> str:
    return hashlib.sha256(b"".join(item.line for item in stored)).hexdigest()


def find(cache: Path, digest: str) -> Packed | None:
    """The bundle of that digest, if it is in the cache and still whole."""
    archive, facts = cache / f"{digest}.tar.gz", cache / f"{digest}.json"
    try:
        about = json.loads(facts.read_text())
        if file_sha256(archive) != about["sha256"]:
            return None
        return Packed(digest, archive, about["sha256"], about["unpacked"])
    except (OSError, ValueError, KeyError):
        return None  # not there, or not whole: it is made again


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def _store(entry: Entry, where: str, spool: Path) -> _Stored:
    if entry.open is None:
        return _Stored(entry)
    digest, size = hashlib.sha256(), 0
    with entry.open() as stream, spool.open("wb") as target:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > entry.size:
                raise refuse(where, entry.path, f"is larger than the {entry.size} bytes it claims")
            digest.update(block)
            target.write(block)
    if size != entry.size:
        raise refuse(where, entry.path, f"has {size} of the {entry.size} bytes it claims", "pack it again")
    return _Stored(entry, digest.hexdigest(), size, spool)


def _write(stored: Iterable[_Stored], digest: str, cache: Path) -> Packed:
    items = list(stored)
    handle, name = tempfile.mkstemp(dir=cache, prefix=".packing-")
    work = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw:
            with (
                gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as squeezed,
                tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as tar,
            ):
                for item in items:
                    with _content(item) as content:
                        tar.addfile(_member(item), content)
            raw.flush()
            os.fsync(raw.fileno())
        packed = Packed(digest, cache / f"{digest}.tar.gz", file_sha256(work), sum(i.size for i in items))
        work.replace(packed.archive)
        facts = {key: value for key, value in asdict(packed).items() if key in ("sha256", "unpacked")}
        (cache / f"{digest}.json").write_text(json.dumps(facts))
    finally:
        work.unlink(missing_ok=True)
    return packed


def _content(item: _Stored) -> AbstractContextManager[io.IOBase]:
    return io.BytesIO() if item.spool is None else item.spool.open("rb")


def _member(item: _Stored) -> tarfile.TarInfo:
    member = tarfile.TarInfo(item.entry.path)
    member.mode = item.entry.mode
    member.size = item.size
    member.type = {Kind.FILE: tarfile.REGTYPE, Kind.FOLDER: tarfile.DIRTYPE, Kind.LINK: tarfile.SYMTYPE}[
        item.entry.kind
    ]
    member.linkname = item.entry.target
    return member
