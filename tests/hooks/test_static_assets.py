"""`static_assets`: what is uploaded when, with which headers, and what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.hooks.contract import Ended
from deployer.hooks.static_assets import StaticAssets, is_hashed, type_of
from deployer.model.occasions import Point
from deployer.model.outside import Upload
from tests.hooks.conftest import call, doors


@dataclass
class Shelf:
    """A bucket and a distribution in memory."""

    there: dict[str, tuple[bytes, str, str]] = field(default_factory=dict)
    invalidated: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)

    def keys(self, bucket: str, prefix: str) -> frozenset[str]:
        return frozenset(key for key in self.there if key.startswith(prefix))

    def put(self, bucket: str, upload: Upload) -> None:
        self.there[upload.key] = (upload.path.read_bytes(), upload.content_type, upload.cache_control)

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> str:
        self.invalidated.append((distribution, tuple(paths), reference))
        return "I1"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a deployer.toml's view of static files."""
    for name, text in {
        "app.3f2a9c1b.js": "new",
        "css/app-0a1b2c3d4e5f.css": "new",
        "index.html": "new page",
        "app.js": "no hash",
    }.items():
        path = tmp_path / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_hashed_files_go_up_before_the_rollout_to_be_cached_for_ever_and_nothing_else_does(site: Path) -> None:
    shelf = Shelf(there={"s/app.11111111.js": (b"old", "", ""), "s/index.html": (b"old page", "", "")})
    hook = StaticAssets("static", "assets", "s", distribution="E1")
    outcome = hook.run(call(Point.BEFORE_ROLLOUT, folder=site), doors(bucket=lambda: shelf, edge=lambda: shelf))
    assert outcome.ended is Ended.PASSED
    assert shelf.there["s/app.3f2a9c1b.js"] == (
        b"new",
        "text/javascript; charset=utf-8",
        "public, max-age=31536000, immutable",
    )
    assert shelf.there["s/css/app-0a1b2c3d4e5f.css"][1] == "text/css; charset=utf-8"
    assert shelf.there["s/app.11111111.js"][0] == b"old"  # what the old release still uses is kept
    assert shelf.there["s/index.html"][0] == b"old page"
    assert shelf.invalidated == []


def test_a_hashed_file_that_is_there_is_neither_written_again_nor_changed(site: Path) -> None:
    shelf = Shelf(there={"app.3f2a9c1b.js": (b"as it was", "", "")})
    StaticAssets("static", "assets").run(call(folder=site), doors(bucket=lambda: shelf))
    assert shelf.there["app.3f2a9c1b.js"][0] == b"as it was"


def test_files_without_a_hash_go_up_after_success_and_the_edge_is_told_once(site: Path) -> None:
    shelf = Shelf()
    hook = StaticAssets("static", "assets", distribution="E1", paths=("/index.html",))
    asked = call(Point.AFTER_SUCCESS, folder=site)
    hook.run(asked, doors(bucket=lambda: shelf, edge=lambda: shelf))
    assert sorted(shelf.there) == ["app.js", "index.html"]
    assert shelf.there["index.html"] == (b"new page", "text/html; charset=utf-8", "public, max-age=60")
    assert shelf.invalidated == [("E1", ("/index.html",), "run-1")]


def test_links_that_lead_out_of_the_source_are_passed_over(site: Path) -> None:
    (site / "secret.0123456789ab.txt").write_text("secret")
    (site / "static" / "leak.0123456789ab.txt").symlink_to(site / "secret.0123456789ab.txt")
    shelf = Shelf()
    StaticAssets("static", "assets").run(call(folder=site), doors(bucket=lambda: shelf))
    assert "leak.0123456789ab.txt" not in shelf.there


def test_a_source_that_is_not_there_fails_before_anything_is_asked_of_the_bucket(tmp_path: Path) -> None:
    outcome = StaticAssets("dist", "assets").run(call(folder=tmp_path), doors())
    assert outcome.ended is Ended.FAILED
    assert "there is no folder" in outcome.line


@pytest.mark.parametrize(
    ("name", "hashed"),
    [
        ("a/main.deadbeef.css", True),
        ("main-deadbeefcafe.css.map", True),
        ("main.d41d8cd98f00b204e9800998ecf8427e.js", True),
        ("deadbeef/main.css", False),
        ("main.css", False),
        ("photo-2024.jpg", False),
        ("main.DEADBEEF.css", False),
    ],
)
def test_a_name_counts_as_hashed_by_its_last_part_alone(name: str, hashed: bool) -> None:
    assert is_hashed(name) is hashed


def test_types_of_the_web_do_not_depend_on_the_machine() -> None:
    assert type_of(Path("a.woff2")) == "font/woff2"
    assert type_of(Path("a.unknown-kind")) == "application/octet-stream"
