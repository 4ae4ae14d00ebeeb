"""Where bundles come from: a folder, an archive, S3 or a git revision."""

from __future__ import annotations

import re
import subprocess
import tempfile
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from deployer.model.hosts import LeftOut, Links, StoredObject
from deployer.remote.bundle.entries import Inspection, Limits
from deployer.remote.bundle.pack import Packed, pack
from deployer.remote.bundle.readers import FolderWalk, archive_entries
from deployer.remote.errors import BundleError

RELEASE_NAME = re.compile(r"[A-Za-z0-9._+-]{1,128}")
GIT_SECONDS = 300


class ObjectStore(Protocol):
    """Objects in S3, as `deployer.aws` implements it."""

    def download(self, bucket: str, key: str, version: str | None, target: IO[bytes], limit: int) -> StoredObject:
        """Writes an object to `target`; at most `limit` bytes. Raises DeployerError, with S3's own reason."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a bundle is to be had from, and what is needed on the way."""

    text: str
    folder: Path
    """What a relative path starts from, and whose git repository `git:REV` means."""
    cache: Path
    store: ObjectStore | None = None
    links: Links = Links.INSIDE
    secrets: tuple[str, ...] = ()
    """Git's patterns of what is packed although it looks like a secret."""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Fetched:
    """A normalised bundle and CodeDeploy's `BUNDLE_*` variables that tell its origin."""

    packed: Packed
    origin: Mapping[str, str]
    left_out: tuple[LeftOut, ...] = ()


def place_of(setting: str, release: str) -> str:
    """The bundle setting with `{release}` filled in. Raises BundleError for a name that is not plain."""
    if not RELEASE_NAME.fullmatch(release) or release in (".", ".."):
        raise BundleError(
            f"the release name {ascii(release)[:140]} is not plain; use 1 to 128 of A-Z a-z 0-9 . _ + -"
        )
    return setting.replace("{release}", release)


def fetch(place: Place) -> Fetched:
    """Fetches, checks and normalises a bundle. Raises BundleError."""
    if place.text.startswith("s3://"):
        return _from_s3(place)
    if place.text.startswith("git:"):
        return _from_git(place)
    path = place.folder / Path(place.text).expanduser()
    if path.is_dir():
        inspection = Inspection(str(path), place.limits, links=place.links)
        walk = FolderWalk(path, place.limits)
        packed = pack(walk.entries(), inspection, str(path), place.cache, secrets=place.secrets)
        return Fetched(packed, {}, tuple(walk.left_out))
    if not path.is_file():
        raise BundleError(
            f"the bundle {path} is not there; name a folder, a zip or tar file, s3://bucket/key or git:REVISION"
        )
    return Fetched(_from_archive(path, str(path), place), {})


def _from_archive(path: Path, where: str, place: Place) -> Packed:
    inspection = Inspection(where, place.limits, packed=path.stat().st_size, links=place.links)
    with archive_entries(path, where, place.limits) as entries:
        return pack(entries, inspection, where, place.cache, secrets=place.secrets)


def _from_s3(place: Place) -> Fetched:
    if place.store is None:
        raise BundleError(f"the bundle {place.text} is in S3, which cannot be reached from here")
    parts = urllib.parse.urlsplit(place.text)
    key = urllib.parse.unquote(parts.path.lstrip("/"))
    version = urllib.parse.parse_qs(parts.query).get("versionId", [None])[0]
    if not parts.netloc or not key:
        raise BundleError(f"the bundle {place.text} is no object; write s3://bucket/key or …?versionId=…")
    place.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=place.cache, prefix=".s3-") as target:
        stored = place.store.download(parts.netloc, key, version, target, place.limits.total_bytes)
        target.flush()
        packed = _from_archive(Path(target.name), place.text, place)
    origin = {"BUNDLE_BUCKET": parts.netloc, "BUNDLE_KEY": key, "BUNDLE_ETAG": stored.etag}
    if stored.version:
        origin["BUNDLE_VERSION"] = stored.version
    return Fetched(packed, origin)


def _from_git(place: Place) -> Fetched:
    revision = place.text.removeprefix("git:")
    if not revision or revision.startswith("-"):
        raise BundleError(f"{place.text!r} names no revision; write git:HEAD, git:v1.2 or git:COMMIT")
    commit = _git(place, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    _refuse_submodules(place, commit)
    place.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=place.cache, prefix=".git-") as target:
        # Modes as a checkout has them by default; git would add the group's write bit.
        _git(place, "-c", "tar.umask=0022", "archive", "--format=tar", f"--output={target.name}", commit)
        packed = _from_archive(Path(target.name), place.text, place)
    return Fetched(packed, {"BUNDLE_COMMIT": commit})


def _refuse_submodules(place: Place, commit: str) -> None:
    """`git archive` has an empty folder where a submodule belongs. Raises BundleError."""
    listed = _git(place, "ls-tree", "-r", "-z", commit).decode("utf-8", "surrogateescape").split("\0")
    found = [ascii(line.partition("\t")[2]) for line in listed if line.startswith("160000 ")]
    if found:
        raise BundleError(
            f"the bundle {place.text} is refused: {', '.join(found[:5])} is a submodule, which git does not pack; "
            "name a folder in which it is checked out, or an archive made of one"
        )


def _git(place: Place, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(place.folder), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as problem:
        raise BundleError(f"the bundle {place.text} needs git, which is not installed") from problem
    except subprocess.TimeoutExpired as problem:
        raise BundleError(f"git did not end in {GIT_SECONDS} s for {place.text}") from problem
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-300:] or "there is no such revision"
        raise BundleError(f"the bundle {place.text} cannot be had from {place.folder}: {said}")
    return done.stdout
