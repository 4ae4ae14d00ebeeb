"""Makes archives that no packing tool would make."""

from __future__ import annotations

import io
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

APPSPEC = b"version: 0.0\nos: linux\n"
Member = tuple[tarfile.TarInfo, bytes]


def member(
    name: str, data: bytes = b"", *, mode: int = 0o644, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> Member:
    """One entry of a tar."""
    info = tarfile.TarInfo(name)
    info.mode, info.type, info.linkname, info.size = mode, kind, link, len(data)
    return info, data


def tar(*members: Member, compression: str = "gz") -> bytes:
    """A tar with an AppSpec and the given entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for info, data in (member("appspec.yml", APPSPEC), *members):
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(*entries: tuple[str, bytes, int], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with an AppSpec and (name, data, st_mode) entries; duplicates are written as they come."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore", UserWarning)  # of duplicate names, which are meant
        archive.writestr("appspec.yml", APPSPEC)
        for name, data, mode in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.external_attr = mode << 16
            info.compress_type = compression
            archive.writestr(info, data)
    return buffer.getvalue()


def encrypted_zip() -> bytes:
    """A zip whose second entry says that it is encrypted."""
    data = bytearray(zipped(("secret", b"x", stat.S_IFREG | 0o644)))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.rindex(signature)
        data[position + offset] |= 1
    return bytes(data)


def lying_zip(claimed: int) -> bytes:
    """A zip whose second entry claims another size than it has, in both places where it stands."""
    data = bytearray(zipped(("big", b"x" * 5000, stat.S_IFREG | 0o644)))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        position = data.rindex(signature)
        data[position + offset : position + offset + 4] = claimed.to_bytes(4, "little")
    return bytes(data)


def null_name_zip() -> bytes:
    """A zip with a null character in a name, where some readers stop reading it."""
    return zipped(("okXevil", b"x", stat.S_IFREG | 0o644)).replace(b"okXevil", b"ok\x00evil")


def folder(build: Callable[[Path], None]) -> Callable[[Path], Path]:
    """A bundle's folder with an AppSpec, finished by `build`."""

    def make(place: Path) -> Path:
        root = place / "bundle"
        root.mkdir()
        (root / "appspec.yml").write_bytes(APPSPEC)
        build(root)
        return root

    return make


def file(name: str, data: bytes) -> Callable[[Path], Path]:
    """A bundle's archive."""

    def make(place: Path) -> Path:
        (place / name).write_bytes(data)
        return place / name

    return make


def many(count: int) -> Iterable[Member]:
    """Entries with nothing in them."""
    return (member(f"f{number}") for number in range(count))
