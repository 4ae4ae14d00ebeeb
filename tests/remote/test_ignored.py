"""What ignore files leave out of a folder's bundle, held against git itself."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from deployer.remote.bundle.bundle import Bundle, load_bundle
from deployer.remote.bundle.entries import Kind, Limits
from deployer.remote.bundle.readers import FolderWalk
from deployer.remote.bundle.sources import Place
from deployer.remote.errors import BundleError

APPSPEC = "version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: /srv\n"


def folder(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"appspec.yml": APPSPEC, "app/page": "hello", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def bundle(tmp_path: Path, files: Mapping[str, str]) -> Bundle:
    source = folder(tmp_path / "source", files)
    return load_bundle(str(source), "1", Place("", tmp_path, tmp_path / "cache"))


def names(found: Bundle) -> set[str]:
    return {name for name, _ in found.files.files}


@pytest.mark.parametrize("name", [".gitignore", ".deployerignore"])
def test_what_an_ignore_file_names_is_neither_packed_nor_in_the_digest(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    clean = bundle(tmp_path / "a", {name: "node_modules/\n*.log\n"})
    full = bundle(tmp_path / "b", {name: "node_modules/\n*.log\n", "node_modules/x/y.js": "1", "app/a.log": "2"})
    assert names(full) == {"appspec.yml", "app/page"}
    assert full.packed.digest == clean.packed.digest
    left = {(one.path, one.by) for one in full.files.left_out}
    assert {("node_modules/", f"{name}:1"), ("app/a.log", f"{name}:2")} <= left


def test_deployerignore_takes_back_what_gitignore_leaves_out(tmp_path: Path) -> None:
    files = {".gitignore": "dist/\n", ".deployerignore": "!dist/\ndist/*.map\n", "dist/a.js": "", "dist/a.map": ""}
    assert "dist/a.js" in names(found := bundle(tmp_path, files))
    assert "dist/a.map" not in names(found)


def test_an_ignore_file_above_the_bundle_does_not_empty_it(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("source/\n")
    assert names(bundle(tmp_path, {})) == {"appspec.yml", "app/page"}


def test_an_appspec_that_needs_what_was_left_out_says_which_line_did_it(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"has no app.*\n.*'app/' \(\.gitignore:1\).*`!name` in \.deployerignore"):
        bundle(tmp_path, {".gitignore": "app/\n"})


def test_a_line_that_is_no_pattern_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"sub/\.gitignore line 2 is '!', no pattern"):
        bundle(tmp_path, {"sub/.gitignore": "x\n!\n"})


PIECES = some.sampled_from(["a", "b", "ab", "*", "?", "[ab]", "**", "a b"])
PATTERN = some.builds(
    lambda no, top, parts, end: f"{no}{top}{'/'.join(parts)}{end}",
    some.sampled_from(["", "", "!"]),
    some.sampled_from(["", "", "/"]),
    some.lists(PIECES, min_size=1, max_size=3),
    some.sampled_from(["", "", "/"]),
)
PATH = some.lists(some.sampled_from(["a", "b", "ab", "a b", "[a]"]), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60)
@given(
    paths=some.sets(PATH, min_size=1, max_size=8),
    top=some.lists(PATTERN, max_size=4),
    nested=some.lists(PATTERN, max_size=3),
    at=some.sampled_from(["a", "a/b", "[a]", "a b"]),
)
def test_git_packs_the_same_files(
    paths: set[str], top: list[str], nested: list[str], at: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for path in sorted(paths):
        if all(not (root / parent).is_file() for parent in Path(path).parents) and not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text("x")
    (root / ".gitignore").write_text("".join(f"{line}\n" for line in top))
    if (root / at).is_dir():
        (root / at / ".gitignore").write_text("".join(f"{line}\n" for line in nested))
    ours = {e.path for e in FolderWalk(root, Limits()).entries() if e.kind is Kind.FILE}
    assert ours == by_git(root), f"{top} {nested} in {at}"


def by_git(root: Path) -> set[str]:
    """What git would add, by the same ignore files."""
    subprocess.run(["git", "init", "-q", str(root)], check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--others", "--exclude-per-directory=.gitignore"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {name for name in listed.split("\0") if name and not name.endswith(".gitignore")}
