"""Bundles from every source come out as the same pinned archive."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import IO

import pytest

from deployer.model.hosts import Links, Package, StoredObject
from deployer.remote.bundle.bundle import Bundle, load_bundle, open_bundle
from deployer.remote.bundle.pack import find
from deployer.remote.bundle.sources import Place
from deployer.remote.errors import BundleError

APPSPEC = "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: /srv\n"


def make_folder(root: Path) -> Path:
    (root / "app/empty").mkdir(parents=True)
    (root / "appspec.yml").write_text(APPSPEC)
    (root / "app/page.html").write_text("hello")
    (root / "app/run").write_text("#!/bin/sh\n")
    (root / "app/run").chmod(0o755)
    (root / "app/latest").symlink_to("page.html")
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "source")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("", tmp_path, tmp_path / "cache")


def as_tar(source: Path, target: Path, mode: str) -> Path:
    with tarfile.open(target, mode) as archive:  # type: ignore[call-overload]
        for path in sorted(source.rglob("*"), reverse=True):
            archive.add(path, str(path.relative_to(source)), recursive=False)
    return target


def as_zip(source: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in source.rglob("*"):
            name = str(path.relative_to(source))
            info = zipfile.ZipInfo(name + "/" if path.is_dir() and not path.is_symlink() else name)
            info.external_attr = path.lstat().st_mode << 16
            if path.is_symlink():
                archive.writestr(info, str(path.readlink()))
            else:
                archive.writestr(info, b"" if path.is_dir() else path.read_bytes())
    return target


def test_the_digest_is_of_content_whatever_the_packing(source: Path, place: Place, tmp_path: Path) -> None:
    bundles = [
        load_bundle(str(path), "1", place)
        for path in (
            source,
            as_tar(source, tmp_path / "b.tar", "w"),
            as_tar(source, tmp_path / "b.tar.gz", "w:gz"),
            as_tar(source, tmp_path / "b.tar.xz", "w:xz"),
            as_zip(source, tmp_path / "b.zip"),
        )
    ]

    assert len({bundle.packed.digest for bundle in bundles}) == 1
    assert len({bundle.packed.sha256 for bundle in bundles}) == 1


def test_times_do_not_change_the_digest_and_everything_else_does(source: Path, place: Place) -> None:
    def digest() -> str:
        return load_bundle(str(source), "1", place).packed.digest

    first = digest()
    os.utime(source / "app/page.html", (1, 1))
    assert digest() == first
    seen = {first}
    for change in (
        lambda: (source / "app/page.html").write_text("hullo"),
        lambda: (source / "app/page.html").chmod(0o600),
        lambda: (source / "app/page.html").rename(source / "app/index.html"),
        lambda: (source / "app/empty").rmdir(),
        lambda: [(source / "app/latest").unlink(), (source / "app/latest").symlink_to("run")],
    ):
        change()
        assert digest() not in seen
        seen.add(digest())


def test_what_git_and_python_leave_in_a_folder_is_no_part_of_it(source: Path, place: Place) -> None:
    before = load_bundle(str(source), "1", place).packed.digest
    for name in (".git/config", "app/__pycache__/x.pyc"):
        (source / name).parent.mkdir()
        (source / name).write_text("x")

    assert load_bundle(str(source), "1", place).packed.digest == before


def test_folders_that_an_archive_leaves_unsaid_are_there(place: Place, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        for name, text in (("appspec.yml", APPSPEC), ("app/a/b", "x")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))

    bundle = load_bundle(str(tmp_path / "b.tar"), "1", place)

    with tarfile.open(bundle.packed.archive) as archive:
        assert archive.getnames() == ["app", "app/a", "app/a/b", "appspec.yml"]


def test_the_release_name_is_filled_in(source: Path, place: Place) -> None:
    assert load_bundle("{release}", "source", place).release == "source"


def test_an_s3_object_is_pinned_with_its_version_and_etag(source: Path, place: Place, tmp_path: Path) -> None:
    packed = as_zip(source, tmp_path / "b.zip").read_bytes()

    class Store:
        def __init__(self) -> None:
            self.asked: list[tuple[str, str, str | None]] = []

        def download(
            self, bucket: str, key: str, version: str | None, target: IO[bytes], limit: int
        ) -> StoredObject:
            self.asked.append((bucket, key, version))
            target.write(packed)
            return StoredObject("abc", version)

    store = Store()
    place = Place("", tmp_path, tmp_path / "cache", store)
    bundle = load_bundle("s3://releases/shop/{release}%20x.zip?versionId=v7", "1", place)

    assert store.asked == [("releases", "shop/1 x.zip", "v7")]
    assert bundle.packed.digest == load_bundle(str(source), "1", place).packed.digest
    assert bundle.origin == {
        "BUNDLE_BUCKET": "releases",
        "BUNDLE_KEY": "shop/1 x.zip",
        "BUNDLE_VERSION": "v7",
        "BUNDLE_ETAG": "abc",
    }


def test_a_git_revision_gives_its_committed_content(source: Path, tmp_path: Path) -> None:
    (source / "app/empty").rmdir()

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", "-C", str(source), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    place = Place("", source, tmp_path / "cache")
    committed = load_bundle(str(source), "1", place).packed.digest
    (source / "app/page.html").write_text("not committed")

    bundle = load_bundle("git:HEAD", "1", place)

    assert bundle.packed.digest == committed
    assert bundle.origin == {"BUNDLE_COMMIT": git("rev-parse", "HEAD")}
    for bad in ("git:nothing", "git:", "git:--output=/tmp/x"):
        with pytest.raises(BundleError):
            load_bundle(bad, "1", place)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("nowhere", "is not there"),
        ("s3://bucket/key", "cannot be reached"),
        ("empty", "is empty"),
        ("nested", "it must lie at the top"),
    ],
)
def test_a_bundle_that_cannot_be_had_is_one_sentence(setting: str, text: str, tmp_path: Path, place: Place) -> None:
    (tmp_path / "empty").mkdir()
    make_folder(tmp_path / "nested/inner")

    with pytest.raises(BundleError, match=text):
        load_bundle(setting, "1", place)


def test_a_strict_load_refuses_warnings(source: Path, place: Place) -> None:
    (source / "appspec.yml").write_text(APPSPEC + "extra: 1\n")

    assert load_bundle(str(source), "1", place).warnings
    with pytest.raises(BundleError, match="unknown key"):
        load_bundle(str(source), "1", place, strict=True)


def reopened(bundle: Bundle, **changes: object) -> Bundle:
    package = Package(bundle.release, bundle.packed.digest, bundle.packed.archive)
    return open_bundle(package if not changes else Package(**{**vars(package), **changes}))


def test_an_archive_that_is_not_what_was_pinned_is_refused(source: Path, place: Place) -> None:
    bundle = load_bundle(str(source), "1", place)
    assert reopened(bundle).packed == bundle.packed

    with pytest.raises(BundleError, match="changed since the plan"):
        reopened(bundle, digest="0" * 64)
    bundle.packed.archive.write_bytes(b"other")
    with pytest.raises(BundleError):
        reopened(bundle)
    assert find(place.cache, bundle.packed.digest) is None
    assert reopened(load_bundle(str(source), "1", place)).packed == bundle.packed


def test_the_cache_is_for_its_owner_only(source: Path, place: Place) -> None:
    load_bundle(str(source), "1", place)

    assert stat.S_IMODE(place.cache.stat().st_mode) == 0o700


def unpacked(bundle: Bundle, folder: Path) -> Path:
    """The normalised archive, as a host unpacks it."""
    with tarfile.open(bundle.packed.archive) as archive:
        # An attribute, not an argument: Python 3.11 has the argument from 3.11.4 on.
        archive.extraction_filter = lambda member, _path: member
        archive.extractall(folder)  # noqa: S202 - made by the test itself
    return folder


def test_an_absolute_link_into_the_bundles_own_folder_goes_along_with_it(
    source: Path, place: Place, tmp_path: Path
) -> None:
    (source / "app/current").symlink_to(source / "app/page.html")
    (source / "app/empty/up").symlink_to(source / "app/run")

    there = unpacked(load_bundle(str(source), "1", place), tmp_path / "host")
    shutil.rmtree(source)

    assert str((there / "app/current").readlink()) == "page.html"
    assert (there / "app/current").read_text() == "hello"
    assert str((there / "app/empty/up").readlink()) == "../run"


def test_links_out_of_the_bundle_are_taken_as_they_are_where_the_settings_say_so(
    source: Path, place: Place, tmp_path: Path
) -> None:
    (source / "app/python").symlink_to("/usr/bin/python3")
    (source / "app/shared").symlink_to("../../../shared")
    with pytest.raises(BundleError, match=r"app/python' is a link to '/usr/bin/python3', out of .*\"as-is\""):
        load_bundle(str(source), "1", place)

    taken = load_bundle(str(source), "1", Place("", tmp_path, tmp_path / "cache", links=Links.AS_IS))

    there = unpacked(taken, tmp_path / "host")
    assert str((there / "app/python").readlink()) == "/usr/bin/python3"
    assert str((there / "app/shared").readlink()) == "../../../shared"
    assert open_bundle(taken.package).packed.digest == taken.packed.digest


def test_a_hard_link_in_a_tar_is_a_file_with_the_same_bytes(source: Path, place: Place, tmp_path: Path) -> None:
    os.link(source / "app/run", source / "app/run-too")
    with tarfile.open(tmp_path / "hard.tar.gz", "w:gz") as archive:
        archive.add(source, ".")
        assert any(member.islnk() for member in archive.getmembers())

    packed = load_bundle(str(tmp_path / "hard.tar.gz"), "1", place)

    assert packed.packed.digest == load_bundle(str(source), "1", place).packed.digest
    there = unpacked(packed, tmp_path / "host")
    assert (there / "app/run-too").read_text() == (there / "app/run").read_text() == "#!/bin/sh\n"
    assert stat.S_IMODE((there / "app/run-too").stat().st_mode) == 0o755


def test_names_that_differ_in_case_are_two_files(source: Path, place: Place, tmp_path: Path) -> None:
    (source / "app/Page.html").write_text("HELLO")
    (source / "App").mkdir()
    (source / "App/page.html").write_text("Hello")

    there = unpacked(load_bundle(str(source), "1", place), tmp_path / "host")

    texts = [(there / name).read_text() for name in ("app/page.html", "app/Page.html", "App/page.html")]
    assert texts == ["hello", "HELLO", "Hello"]


def test_a_warning_is_told_with_line_and_cure(source: Path, place: Place) -> None:
    (source / "appspec.yml").write_text(APPSPEC + "    overwrite: true\n")

    [remark] = load_bundle(str(source), "1", place).remarks

    assert remark == (
        "appspec.yml:6: warning: files has the unknown key 'overwrite', it is ignored; "
        "write `file_exists_behavior: OVERWRITE` at the top of the file"
    )
