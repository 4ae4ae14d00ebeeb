"""From a verified archive to a release's folder, as a whole or not at all."""

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, Tuple

from deployer.remote.agent.store import HostError, Store, file_sha256, sync_folder, write_json
from deployer.remote.agent.tree import FILE, FOLDER, LINK

MARGIN = 64 * 1024 * 1024
"""Bytes of disk that stay free after a bundle is unpacked."""


def accept_upload(store: Store, name: str, digest: str, sha256: str) -> str:
    """Takes an upload over as a release's bundle if its sha256 is right, else removes it; returns its sha256."""
    upload = store.incoming / name
    found = file_sha256(upload)
    if found == sha256:
        upload.replace(store.bundle(digest))
        sync_folder(store.bundle(digest).parent)
    else:
        upload.unlink()
    return found


def unpack(store: Store, digest: str, spec: Dict[str, Any]) -> None:
    """Unpacks a bundle into its release's folder. A release that is there already is left as it is."""
    target = store.release(digest)
    if target.exists():
        return
    archive = store.bundle(digest)
    if not archive.exists():
        raise HostError(f"the bundle {digest[:12]} is not on this host; stage it first")
    work = target.parent / ("." + digest + ".unpacking")
    shutil.rmtree(str(work), ignore_errors=True)
    try:
        (work / "bundle").mkdir(parents=True)
        with tarfile.open(str(archive), "r:gz") as tar:
            check_space(work, sum(member.size for member in tar))
            for member in tar:
                _extract(tar, member, work / "bundle")
        for folder in (work, work / "bundle"):
            folder.chmod(0o755)
        write_json(work / "spec.json", spec)
        work.replace(target)
    except (OSError, tarfile.TarError) as problem:
        raise HostError(f"the bundle cannot be unpacked in {target.parent}: {problem}") from problem
    finally:
        shutil.rmtree(str(work), ignore_errors=True)
    sync_folder(target.parent)


def entries_of(archive: Path) -> List[Tuple[str, str, int]]:
    """Path, kind and size of everything in an archive. Raises HostError."""
    try:
        with tarfile.open(str(archive), "r:gz") as tar:
            return [(member.name, _kind(member), member.size) for member in tar]
    except (OSError, tarfile.TarError) as problem:
        raise HostError(f"the bundle {archive} cannot be read: {problem}") from problem


def _kind(member: tarfile.TarInfo) -> str:
    return FOLDER if member.isdir() else LINK if member.issym() else FILE


def check_space(folder: Path, needed: int) -> None:
    """Raises HostError when the disk under `folder` has no room for `needed` bytes and the margin."""
    disk = os.statvfs(str(folder))
    free = disk.f_bavail * disk.f_frsize
    if free < needed + MARGIN:
        raise HostError(
            f"{folder} has {free >> 20} MB free, {(needed + MARGIN) >> 20} MB are needed; make room on the disk"
        )


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """The archive was checked before it was sent; this only keeps to files, folders and links inside."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise HostError(f"the bundle holds {member.name!r}, which leads out of its folder")
    path = folder.joinpath(*name.parts)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.isreg():
        stream = tar.extractfile(member)
        if stream is None:
            raise HostError(f"the bundle holds {member.name!r} without its content")
        with stream, path.open("xb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
    else:
        raise HostError(f"the bundle holds {member.name!r}, which is no file, folder or link")
    if not member.issym():
        path.chmod(member.mode & 0o777)
