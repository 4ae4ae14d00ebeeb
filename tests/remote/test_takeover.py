"""What earlier versions kept on a host is taken over, by the fleet that it was kept for."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.model.hosts import Host
from deployer.remote.agent.store import HostError, Store, locked, remember_success, succeeded, write_json
from deployer.remote.agent.takeover import take_over
from deployer.remote.door import SshDoor
from deployer.remote.findings import answer, question
from deployer.remote.footing import Become, footing_from
from deployer.remote.install import Installer, InstallSettings, JobState
from deployer.remote.ssh import SshSettings
from tests.remote.site import Site
from tests.remote.ssh_server import SshHost


def as_kept_before(ssh_host: SshHost) -> Path:
    """Puts fleet web's store where the versions before kept the only store of a host."""
    old = ssh_host.home / ".deployer"
    if ssh_host.store.parent.parent != old:
        shutil.rmtree(old, ignore_errors=True)
    old.mkdir(exist_ok=True)
    for entry in list(ssh_host.store.iterdir()):
        entry.rename(old / entry.name)
    ssh_host.store.rmdir()
    return old


@pytest.fixture
def later(tmp_path: Path, host: Host, door: SshDoor) -> Site:
    """The same fleet, seen by a program that has just been updated."""
    folder = tmp_path / "later"
    folder.mkdir()
    return Site(folder, host, door)


def test_the_store_of_a_host_is_taken_over_by_the_fleet_that_it_was_kept_for(
    site: Site, later: Site, ssh_host: SshHost
) -> None:
    first = site.bundle(1, {"app/a": "1", "app/old": "1"})
    site.install(first)
    old = as_kept_before(ssh_host)
    (ssh_host.home / "events").unlink()

    second = later.bundle(2, {"app/a": "2"})
    status = later.install(second, "d-2")

    assert status.state is JobState.DONE, status.error
    assert (ssh_host.home / "events").read_text().splitlines()[:2] == ["ApplicationStop 1", "BeforeInstall 2"]
    assert (ssh_host.disk / "srv/app/a").read_text() == "2"
    assert not (ssh_host.disk / "srv/app/old").exists()
    assert json.loads((ssh_host.store / "state.json").read_text()) == {
        "current": second.packed.digest,
        "previous": first.packed.digest,
    }
    assert (old / "releases" / first.packed.digest / "bundle/app/a").read_text() == "1"  # where it ran from
    assert later.installer.status(later.host, site.request(first).job).state is JobState.DONE


def test_an_old_store_of_another_fleet_is_left_alone_and_its_files_are_too(
    site: Site, tmp_path: Path, host: Host, door: SshDoor, ssh_host: SshHost
) -> None:
    site.install(site.bundle(1, {"app/a": "1"}))
    old = as_kept_before(ssh_host)
    (ssh_host.home / "events").unlink()
    (tmp_path / "side").mkdir()
    side = Site(tmp_path / "side", host, door, fleet="side")

    refused = side.install(side.bundle(1, {"app/a": "side"}), "d-side")

    assert "were installed by fleet web" in str(refused.error)
    assert not any("Stop 1" in line for line in (ssh_host.home / "events").read_text().splitlines())
    assert (ssh_host.disk / "srv/app/a").read_text() == "1"
    assert (old / "state.json").exists()


def store_of_an_image(root: Path, files: list[str]) -> None:
    """As a bake left it: the release, and nothing of the jobs that would tell its fleet."""
    (root / "releases/d1/bundle").mkdir(parents=True)
    write_json(root / "state.json", {"current": "d1", "previous": None})
    write_json(root / "installed.json", {"files": files, "folders": []})


@pytest.mark.parametrize(
    ("destinations", "taken"),
    [
        (["/srv/a", "/srv/b", "/srv/new"], True),
        (["/srv/a", "/etc/x"], True),
        (["/opt/side/x"], False),
        (["/opt/side/x", "/srv/a"], True),
        ([], False),
        (None, False),
    ],
)
def test_an_image_that_does_not_tell_its_fleet_is_taken_over_by_one_that_installs_the_same(
    destinations: list[str] | None, taken: bool, tmp_path: Path
) -> None:
    store_of_an_image(tmp_path / "old", ["/srv/a", "/srv/b"])
    store = Store(tmp_path / "new", "web", [tmp_path / "old"])
    store.prepare()

    take_over(store, destinations)

    assert succeeded(store) == (["d1"] if taken else [])
    assert store.release("d1").exists() is taken


def test_a_takeover_that_was_cut_short_is_gone_on_with_by_the_same_fleet(tmp_path: Path) -> None:
    old = tmp_path / "old"
    store_of_an_image(old, ["/srv/a"])
    write_json(old / "taken.json", {"fleet": "web"})
    web, side = (Store(tmp_path / "new", name, [old]) for name in ("web", "side"))
    for store in (web, side):
        store.prepare()
    (old / "installed.json").rename(web.installed_file)

    take_over(side, ["/srv/a"])
    assert succeeded(side) == []
    take_over(web)

    assert succeeded(web) == ["d1"]
    assert json.loads(web.installed_file.read_text())["files"] == ["/srv/a"]
    assert not (old / "taken.json").exists()


def test_a_store_in_which_a_job_still_runs_is_not_moved(tmp_path: Path) -> None:
    store_of_an_image(tmp_path / "old", ["/srv/a"])
    store = Store(tmp_path / "new", "web", [tmp_path / "old"])
    store.prepare()

    with (
        locked(tmp_path / "old/lock", ""),
        pytest.raises(HostError, match="earlier version of deployer began still runs"),
    ):
        take_over(store, ["/srv/a"])

    assert (tmp_path / "old/state.json").exists()


def test_a_store_under_another_root_is_taken_over_and_one_of_its_own_is_kept(tmp_path: Path) -> None:
    before = Store(tmp_path / "home", "web")
    before.prepare()
    remember_success(before, "d1")
    now = Store(tmp_path / "system", "web", [tmp_path / "home"])
    now.prepare()

    take_over(now)
    assert succeeded(now) == ["d1"]

    remember_success(before, "d0")
    take_over(now)
    assert succeeded(now) == ["d1"]


def test_a_store_is_taken_over_from_another_disk(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        store_of_an_image(Path(folder), ["/srv/a"])
        (Path(folder) / "releases/d1/bundle/x").write_text("1")
        store = Store(tmp_path / "new", "web", [Path(folder)])
        store.prepare()

        take_over(store, ["/srv/a"])

        assert succeeded(store) == ["d1"]
        assert (store.release("d1") / "bundle/x").read_text() == "1"
        assert (Path(folder) / "releases/d1/bundle/x").read_text() == "1"  # something may run from there


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_a_script_of_another_user_runs_though_the_home_is_closed(
    open_folder: Path, tmp_path: Path, host: Host
) -> None:
    ssh_host = SshHost(open_folder)
    for folder in (ssh_host.disk, ssh_host.disk / "home"):
        folder.chmod(0o755)
    ssh_host.home.chmod(0o700)
    known = tmp_path / "known_hosts"
    known.write_text(ssh_host.known_hosts_line)
    door = SshDoor(
        SshSettings("ec2-user", ssh_host.port, (ssh_host.key_file,), use_agent=False, known_hosts=(known,))
    )
    site = Site(tmp_path, host, door)
    text = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: who.sh\n      runas: nobody\n"
    bundle = site.bundle(1, {"who.sh": "#!/bin/sh\nid -un\n"}, text)
    try:
        status = site.install(bundle)
        assert status.state is JobState.DONE, status.error
        assert "nobody" in status.output

        site.installer = Installer(door, InstallSettings("web", root="~/releases"))
        told = answer(site.installer.look(host, question(bundle)))
        status = site.install(bundle, "d-2")
        hint = "set `root` to a folder such as /var/lib/deployer"
        assert hint in str(status.error)
        assert [hint in one.text and one.lasting for one in told.findings] == [True]
    finally:
        door.close()
        ssh_host.close()


FACTS = {
    "with sudo": ("1000", "sudo", Become.AUTO, None, ("sudo", "-n"), "/var/lib/deployer"),
    "as root": ("0", "-", Become.AUTO, None, (), "/var/lib/deployer"),
    "without sudo": ("1000", "-", Become.AUTO, None, (), "/home/me/.deployer"),
    "sudo that is not wanted": ("1000", "sudo", Become.NO, None, (), "/home/me/.deployer"),
    "a folder of the settings": ("1000", "sudo", Become.AUTO, "/srv/releases", ("sudo", "-n"), "/srv/releases"),
    "a folder in the home": ("1000", "-", Become.AUTO, "~/releases", (), "/home/me/releases"),
}


@pytest.mark.parametrize(("user", "sudo", "become", "root", "prefix", "expected"), FACTS.values(), ids=FACTS.keys())
def test_releases_are_kept_in_a_system_folder_where_they_are_installed_as_root(
    user: str, sudo: str, become: Become, root: str | None, prefix: tuple[str, ...], expected: str, host: Host
) -> None:
    footing = footing_from(f"/home/me\n{user}\n/usr/bin/python3\n{sudo}\n-\n", host, root, become)

    assert (footing.prefix, footing.root) == (prefix, expected)
    assert {footing.root, *footing.formers} >= {"/home/me/.deployer", "/var/lib/deployer"}
    assert footing.root not in footing.formers
