"""A state folder that somebody else prepared: refused, and no link in it is followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.model.errors import StateUnavailable
from deployer.state.local import LocalShelf

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_a_link_in_the_place_of_the_lease_overwrites_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    shelf = LocalShelf(tmp_path / "state", "1-eu-west-1")
    folder = tmp_path / "state" / "1-eu-west-1" / "web"
    folder.mkdir(parents=True)
    (folder / "lease.json.new").symlink_to(victim)
    shelf.put_lease("web", b"{}", None)
    assert victim.read_text() == "mine"
    found = shelf.lease("web")
    assert found is not None
    assert found.content == b"{}"


@pytest.mark.parametrize("name", ["lease.json", "lock", "r-1.jsonl"])
def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    shelf = LocalShelf(tmp_path / "state", "1-eu-west-1")
    folder = tmp_path / "state" / "1-eu-west-1" / "web"
    folder.mkdir(parents=True)
    (folder / name).symlink_to(victim)
    with pytest.raises(StateUnavailable, match="cannot be read or written"):
        _write_all(shelf)
    assert victim.read_bytes() == b""


def _write_all(shelf: LocalShelf) -> None:
    shelf.open("web", "r-1")
    shelf.put_lease("web", b"{}", None)


@as_root
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, level: int) -> None:
    folder = tmp_path / "state" / "1-eu-west-1" / "web"
    folder.mkdir(parents=True)
    theirs = [folder, *folder.parents][level]
    os.chown(theirs, STRANGER, -1)
    shelf = LocalShelf(tmp_path / "state", "1-eu-west-1")
    with pytest.raises(StateUnavailable, match=f"{theirs}, which belongs to user 65534"):
        shelf.lease("web")
    with pytest.raises(StateUnavailable, match="name a folder of your own"):
        shelf.put_lease("web", b"{}", None)
