"""A link that the application's user put in the way leads nothing of root's anywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.remote.agent.descent import opened, real_path
from deployer.remote.agent.store import HostError
from deployer.remote.install import JobState
from tests.remote.site import APPSPEC, Site
from tests.remote.ssh_server import SshHost

STRANGER = 12345

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


def of_stranger(*paths: Path) -> None:
    for path in paths:
        os.lchown(path, STRANGER, STRANGER)


@as_root
def test_a_folder_that_the_application_swapped_for_a_link_is_not_installed_through(
    site: Site, ssh_host: SshHost
) -> None:
    assert site.install(site.bundle(1, {"app/conf/sudoers": "1", "app/conf/old": "1"})).state is JobState.DONE
    victim, app = ssh_host.disk / "victim", ssh_host.disk / "srv/app"
    victim.mkdir()
    for name in ("sudoers", "old"):
        (victim / name).write_text("root's")
    (app / "conf").rename(app / "aside")
    (app / "conf").symlink_to(victim)
    of_stranger(app, app / "conf")

    status = site.install(site.bundle(2, {"app/conf/sudoers": "2"}), "d-2")

    assert status.state is JobState.FAILED
    assert "conf is a link to" in str(status.error)
    assert "nothing is installed through it; remove it, or name the folder itself" in str(status.error)
    assert {path.name: path.read_text() for path in victim.iterdir()} == {"sudoers": "root's", "old": "root's"}


@as_root
def test_a_release_that_left_the_swapped_folder_removes_nothing_behind_the_link(
    site: Site, ssh_host: SshHost
) -> None:
    site.install(site.bundle(1, {"app/conf/passwd": "1"}))
    victim, app = ssh_host.disk / "victim", ssh_host.disk / "srv/app"
    victim.mkdir()
    (victim / "passwd").write_text("root's")
    (app / "conf").rename(app / "aside")
    (app / "conf").symlink_to(victim)
    of_stranger(app, app / "conf")

    status = site.install(site.bundle(2, {"app/a": "2"}), "d-2")

    assert status.state is JobState.DONE, status.error
    assert (victim / "passwd").read_text() == "root's"


@as_root
def test_a_link_to_a_folder_of_the_same_owner_is_followed(site: Site, ssh_host: SshHost) -> None:
    real, app = ssh_host.disk / "data/conf", ssh_host.disk / "srv/app"
    real.mkdir(parents=True)
    app.mkdir(parents=True)
    (app / "conf").symlink_to("../../data/conf")
    of_stranger(real, app, app / "conf")

    status = site.install(site.bundle(1, {"app/conf/a": "1"}))

    assert status.state is JobState.DONE, status.error
    assert (real / "a").read_text() == "1"


def test_roots_own_links_are_followed(site: Site, ssh_host: SshHost) -> None:
    (ssh_host.disk / "data").mkdir()
    (ssh_host.disk / "srv").symlink_to("data")
    status = site.install(site.bundle(1, {"app/a": "1"}))
    assert status.state is JobState.DONE, status.error
    assert (ssh_host.disk / "data/app/a").read_text() == "1"


@as_root
def test_a_staged_copy_that_is_there_already_as_a_link_is_not_written_through(
    site: Site, ssh_host: SshHost
) -> None:
    victim, app = ssh_host.disk / "victim", ssh_host.disk / "srv/app"
    app.mkdir(parents=True)
    victim.write_text("root's")
    (app / ".a.d-1.deploying").symlink_to(victim)
    of_stranger(app, app / ".a.d-1.deploying")

    status = site.install(site.bundle(1, {"app/a": "1"}))

    assert status.state is JobState.DONE, status.error
    assert victim.read_text() == "root's"
    assert (app / "a").read_text() == "1"


def test_a_mode_is_set_on_what_was_installed_and_on_no_more(site: Site, ssh_host: SshHost) -> None:
    text = APPSPEC.replace('mode: "700"', 'mode: "4750"')
    assert site.install(site.bundle(1, {"app/a.sh": "1", "app/b": "1"}, text + "  # none\n")).state is JobState.DONE
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (ssh_host.disk / "srv/app").iterdir()}
    assert modes == {"a.sh": 0o4750, "b": 0o644}


def test_links_in_a_circle_end_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(HostError, match="links in a circle"), opened(tmp_path / "a"):
        pass


def test_a_path_leads_where_the_kernel_goes(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "up").symlink_to("a/b/..")
    (tmp_path / "far").symlink_to(tmp_path / "up/b")
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert real_path(tmp_path / "far") == str((tmp_path / "a/b").resolve())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(FileNotFoundError):
        real_path(tmp_path / "far/none")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
