"""Two fleets on one host: nothing of one is run, removed or replaced for the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.model.hosts import Host
from deployer.remote.door import SshDoor
from deployer.remote.findings import answer, question
from deployer.remote.install import JobState
from tests.remote.site import APPSPEC, Site
from tests.remote.ssh_server import SshHost

SIDE = """\
version: 0.0
os: linux
files:
  - source: side
    destination: /opt/side
hooks:
  ApplicationStop:
    - location: /hook.sh
"""


@pytest.fixture
def side(tmp_path: Path, host: Host, door: SshDoor) -> Site:
    folder = tmp_path / "of-side"
    folder.mkdir()
    return Site(folder, host, door, fleet="side")


def test_a_release_of_one_fleet_leaves_the_others_files_and_scripts_alone(
    site: Site, side: Site, ssh_host: SshHost
) -> None:
    site.install(site.bundle(1, {"app/a": "web"}))
    (ssh_host.home / "events").unlink()

    assert side.install(side.bundle(1, {"side/x": "1"}, SIDE), "d-side").state is JobState.DONE
    assert not (ssh_host.home / "events").exists()
    assert (ssh_host.disk / "srv/app/a").read_text() == "web"

    assert side.install(side.bundle(2, {"side/y": "2"}, SIDE), "d-side-2").state is JobState.DONE
    assert (ssh_host.home / "events").read_text() == "ApplicationStop 1\n"
    assert not (ssh_host.disk / "opt/side/x").exists()

    status = site.install(site.bundle(2, {"app/b": "web"}), "d-2")
    assert status.state is JobState.DONE
    assert not (ssh_host.disk / "srv/app/a").exists()
    assert (ssh_host.disk / "opt/side/y").read_text() == "2"


@pytest.mark.parametrize("behavior", ["DISALLOW", "OVERWRITE"])
def test_a_file_of_another_fleet_is_refused_by_name_whatever_the_appspec_says(
    behavior: str, site: Site, side: Site, ssh_host: SshHost
) -> None:
    site.install(site.bundle(1, {"app/a": "web", "app/b": "web"}))
    text = SIDE.replace("/opt/side", "/srv/app").replace("hooks:", f"file_exists_behavior: {behavior}\nhooks:")
    bundle = side.bundle(1, {"side/a": "side", "side/new": "side"}, text)

    told = answer(side.installer.look(side.host, question(bundle)))
    status = side.install(bundle, "d-side")

    assert status.state is JobState.FAILED
    assert not status.changed
    assert f"{ssh_host.disk}/srv/app/a was installed by fleet web" in str(status.error)
    assert (ssh_host.disk / "srv/app/a").read_text() == "web"
    assert not (ssh_host.disk / "srv/app/new").exists()
    assert [(one.text, one.lasting) for one in told.findings] == [(str(status.error).partition(": ")[2], True)]
    assert told.fleets == ("web",)


def test_a_file_of_another_fleet_is_found_through_a_linked_folder_too(
    site: Site, side: Site, ssh_host: SshHost
) -> None:
    site.install(site.bundle(1, {"app/a": "web"}))
    (ssh_host.disk / "current").symlink_to(ssh_host.disk / "srv/app")
    text = SIDE.replace("/opt/side", "/current").replace("hooks:", "file_exists_behavior: OVERWRITE\nhooks:")

    status = side.install(side.bundle(1, {"side/a": "side"}, text), "d-side")

    assert "was installed by fleet web" in str(status.error)
    assert (ssh_host.disk / "srv/app/a").read_text() == "web"


def test_what_is_retained_may_be_another_fleets(site: Site, side: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {"app/a": "web"}))
    text = SIDE.replace("/opt/side", "/srv/app").replace("hooks:", "file_exists_behavior: RETAIN\nhooks:")

    status = side.install(side.bundle(1, {"side/a": "side", "side/own": "side"}, text), "d-side")

    assert status.state is JobState.DONE, status.error
    assert (ssh_host.disk / "srv/app/a").read_text() == "web"
    assert (ssh_host.disk / "srv/app/own").read_text() == "side"


def test_two_fleets_may_be_deployed_to_at_once(site: Site, side: Site, ssh_host: SshHost) -> None:
    slow = site.bundle(
        1, {"hook.sh": '#!/bin/sh\ntouch "$HOME/begun"\nwhile [ ! -e "$HOME/go" ]; do sleep 0.05; done\n'}
    )
    site.installer.stage(site.host, slow.packed)
    running = site.request(slow)
    site.installer.start(site.host, running)
    while not (ssh_host.home / "begun").exists():
        pass

    status = side.install(side.bundle(1, {"side/x": "1"}, SIDE), "d-side")
    (ssh_host.home / "go").touch()

    assert status.state is JobState.DONE
    assert site.installer.install(site.host, running).state is JobState.DONE


def test_the_first_release_of_a_fleet_has_no_predecessor_where_another_fleet_has(site: Site, side: Site) -> None:
    site.install(site.bundle(1, {}))

    status = side.install(
        side.bundle(1, {"side/x": "1"}, APPSPEC.replace("source: app", "source: side") + "  # none\n")
    )

    assert "was installed by fleet web" not in str(status.error)
    assert status.events[0].event == "ApplicationStop"
    assert status.output == ""
