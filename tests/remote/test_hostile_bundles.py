"""Bundles that want to do harm, or that no host could hold: each refused before anything is written for it."""

from __future__ import annotations

import gzip
import os
import socket
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.remote.bundle.bundle import load_bundle
from deployer.remote.bundle.entries import Limits
from deployer.remote.bundle.sources import Place
from deployer.remote.errors import BundleError
from tests.remote.archives import encrypted_zip, file, folder, lying_zip, many, member, null_name_zip, tar, zipped

REG = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777
LIMITS = Limits(
    files=200,
    total_bytes=20_000_000,
    file_bytes=10_000_000,
    ratio=100,
    ratio_floor=100_000,
    headers_bytes=2_000_000,
)


def t(*members: tuple[tarfile.TarInfo, bytes]) -> Callable[[Path], Path]:
    return file("bundle.tar.gz", tar(*members))


def z(*entries: tuple[str, bytes, int]) -> Callable[[Path], Path]:
    return file("bundle.zip", zipped(*entries))


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.SYMTYPE, link=target)


def padded(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    """A member whose extended header has a comment of that many bytes."""
    if kind == tarfile.XGLTYPE:
        record = f"comment={'c' * size}\n"
        return member(name, f"{len(record) + 7} {record}".encode(), kind=kind)
    info, data = member(name, b"x")
    info.pax_headers = {"comment": "c" * size}
    return info, data


def sparse() -> Callable[[Path], Path]:
    info, data = member("holes", b"x")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": "1000000000", "GNU.sparse.map": "0,1"}
    return t((info, data))


def bind_socket(root: Path) -> None:
    here = Path.cwd()
    os.chdir(root)  # socket paths are short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)


def make_set_user_id(root: Path) -> None:
    (root / "su").write_text("x")
    (root / "su").chmod(0o4755)


def truncated() -> bytes:
    return tar(member("big", os.urandom(50_000)))[:20_000]


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "tar: traversal": (t(member("../evil", b"x")), "leads out"),
    "tar: traversal in the middle": (t(member("a/../../evil", b"x")), "leads out"),
    "tar: absolute": (t(member("/etc/passwd", b"x")), "absolute"),
    "tar: windows drive": (t(member("C:/evil", b"x")), "absolute"),
    "tar: backslash": (t(member("..\\evil", b"x")), "backslash"),
    "tar: absolute link": (t(link("a", "/etc")), "is a link to '/etc'"),
    "tar: link out": (t(link("a/b", "../../etc")), "links out"),
    "tar: links that lead out together": (t(link("d/e", ".."), link("z", "d/e/../../etc")), "links out"),
    "tar: link to its own parent and on": (t(link("a", "."), link("b", "a/../x")), "links out"),
    "tar: links in a circle": (t(link("a", "b"), link("b", "a")), "circle"),
    "tar: empty link": (t(link("a", "")), "is a link to"),
    "tar: file through a link": (
        t(link("a", "b"), member("b/c", b"x"), member("a/evil", b"x")),
        "as link and as folder",
    ),
    "tar: folder replaced by a link": (t(member("a/b", b"x"), link("a", "c")), "as folder and as link"),
    "tar: hard link out": (t(member("b", kind=tarfile.LNKTYPE, link="/etc/shadow")), "absolute path"),
    "tar: hard link up": (t(member("b", kind=tarfile.LNKTYPE, link="../shadow")), "leads out"),
    "tar: hard link to nothing": (t(member("b", kind=tarfile.LNKTYPE, link="a")), "no earlier file"),
    "tar: hard link to a link": (t(link("a", "x"), member("b", kind=tarfile.LNKTYPE, link="a")), "no earlier file"),
    "tar: bomb of hard links": (
        t(member("z", bytes(9_000_000)), *(member(f"z{n}", kind=tarfile.LNKTYPE, link="z") for n in range(9))),
        "as much",
    ),
    "tar: character device": (t(member("null", kind=tarfile.CHRTYPE)), "device"),
    "tar: block device": (t(member("sda", kind=tarfile.BLKTYPE)), "device"),
    "tar: named pipe": (t(member("pipe", kind=tarfile.FIFOTYPE)), "named pipe"),
    "tar: sparse file": (sparse(), "sparse"),
    "tar: set-user-id": (t(member("su", b"x", mode=0o4755)), "mode 4755"),
    "tar: set-group-id": (t(member("sg", b"x", mode=0o2755)), "mode 2755"),
    "tar: sticky": (t(member("st", b"x", mode=0o1755)), "mode 1755"),
    "tar: twice": (t(member("a", b"1"), member("a", b"2")), "is there twice"),
    "tar: twice under two spellings": (t(member("a", b"1"), member("./a", b"2")), "is there twice"),
    "tar: unicode collision": (
        t(member("caf\u00e9", b"1"), member("cafe\u0301", b"2")),
        "only in its Unicode form",
    ),
    "tar: newline in a name": (t(member("a\nb", b"x")), "control"),
    "tar: escape sequence in a name": (t(member("a\x1b[2Jb", b"x")), "control"),
    "tar: right-to-left override in a name": (t(member("a\u202egpj.sh", b"x")), "invisible"),
    "tar: name that is not UTF-8": (t(member("a\udcff", b"x")), "not UTF-8"),
    "tar: very long name": (t(member("n" * 300, b"x")), "longer name"),
    "tar: very deep": (t(member("/".join("d" * 100), b"x")), "deep"),
    "tar: too many entries": (t(*many(300)), "more than 200 entries"),
    "tar: one huge file": (t(member("zeros", bytes(11_000_000))), "bytes"),
    "tar: bomb by ratio": (t(member("zeros", bytes(9_000_000))), "as much"),
    "tar: bomb in sum": (
        file("b.tar", tar(*(member(f"z{n}", bytes(9_000_000)) for n in range(3)), compression="")),
        "more than 20000000 bytes",
    ),
    "tar: a pax header as long as a book": (t(padded("a", 100_000)), "extended headers"),
    "tar: a global pax header as long as a book": (t(padded("pax", 100_000, tarfile.XGLTYPE)), "extended headers"),
    "tar: a name without an end": (t(member("long/" * 20_000 + "n", b"x")), "extended headers"),
    "tar: many pax headers": (t(*(padded(f"a{n}", 50_000) for n in range(50))), "extended headers"),
    "tar: truncated": (file("b.tar.gz", truncated()), "no readable"),
    "tar: garbage": (file("b.tar.gz", b"\x1f\x8b" + b"garbage" * 50), "no readable"),
    "gzip: no tar inside": (file("b.tar.gz", gzip.compress(b"hello" * 1000)), "no readable"),
    "empty file": (file("b.zip", b""), "no readable"),
    "zip: too many entries": (z(*((f"f{n}", b"", REG) for n in range(201))), "more than 200 entries"),
    "zip: traversal": (z(("../evil", b"x", REG)), "leads out"),
    "zip: absolute": (z(("/etc/cron.d/evil", b"x", REG)), "absolute"),
    "zip: backslash": (z(("..\\..\\evil", b"x", REG)), "backslash"),
    "zip: twice": (z(("a", b"1", REG), ("a", b"2", REG)), "is there twice"),
    "zip: encrypted": (file("b.zip", encrypted_zip()), "encrypted"),
    "zip: link out": (z(("a", b"/etc/passwd", LINK)), "is a link to"),
    "zip: link with an endless target": (z(("a", b"x" * 9000, LINK)), "longer than any path"),
    "zip: device": (z(("null", b"", stat.S_IFCHR | 0o666)), "device"),
    "zip: named pipe": (z(("pipe", b"", stat.S_IFIFO | 0o666)), "named pipe"),
    "zip: set-user-id": (z(("su", b"x", stat.S_IFREG | 0o4755)), "mode 4755"),
    "zip: bomb by ratio": (z(("zeros", bytes(9_000_000), REG)), "as much"),
    "zip: larger than it says": (file("b.zip", lying_zip(10)), ""),
    "zip: smaller than it says": (file("b.zip", lying_zip(90_000)), ""),
    "zip: null in a name": (file("b.zip", null_name_zip()), "control"),
    "zip: terminal escape in a name": (z(("\x1b]0;owned\x07", b"x", REG)), "control"),
    "folder: named pipe": (folder(lambda root: os.mkfifo(root / "pipe")), "named pipe"),
    "folder: socket": (folder(bind_socket), "a socket"),
    "folder: link out": (folder(lambda root: (root / "up").symlink_to("../../..")), "links out"),
    "folder: absolute link": (folder(lambda root: (root / "etc").symlink_to("/etc")), "is a link to"),
    "folder: set-user-id": (
        folder(make_set_user_id),
        "mode 4755",
    ),
    "appspec: alias bomb": (t(member("appspec.yaml", b"a: &a [x]\nb: [*a, *a]\n")), "alias"),
    "appspec: object": (t(member("appspec.yaml", b"!ruby/object:Kernel {}\n")), "tag"),
    "appspec: script outside": (
        t(
            member(
                "appspec.yaml", b"version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: ../../bin/sh\n"
            )
        ),
        "not in the bundle",
    ),
    "appspec: source outside": (
        t(member("appspec.yaml", b"version: 0.0\nos: linux\nfiles:\n  - source: ../etc\n    destination: /x\n")),
        "bundle has no",
    ),
}


def test_there_are_at_least_thirty_hostile_bundles() -> None:
    assert len(HOSTILE) >= 30


@pytest.mark.parametrize(("make", "why"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_bundle_is_refused_and_leaves_nothing(
    make: Callable[[Path], Path], why: str, tmp_path: Path
) -> None:
    bundle = make(tmp_path)
    cache = tmp_path / "cache"
    place = Place("", tmp_path, cache, limits=LIMITS)
    with pytest.raises(BundleError) as refusal:
        load_bundle(str(bundle), "1", place)

    assert why in str(refusal.value)
    assert str(refusal.value).replace("\n", "").isprintable()
    if not why.startswith(("alias", "tag", "not in the bundle", "bundle has no")):
        assert list(cache.glob("*")) == []
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", bundle.name}


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 129, "a\nb", "$(id)", "{release}", "é"])
def test_a_release_name_that_is_not_plain_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not plain"):
        load_bundle("bundles/{release}.zip", name, Place("", tmp_path, tmp_path / "cache"))


@pytest.mark.parametrize(
    "other",
    [member("appspec.yaml", kind=tarfile.DIRTYPE), link("appspec.yaml", "appspec.yml")],
    ids=["folder", "link"],
)
def test_only_a_regular_file_counts_as_appspec(other: tuple[tarfile.TarInfo, bytes], tmp_path: Path) -> None:
    bundle = t(other)(tmp_path)

    assert load_bundle(str(bundle), "1", Place("", tmp_path, tmp_path / "cache")).appspec == "appspec.yml"
