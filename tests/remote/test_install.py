"""Installing over a real SSH connection, on a folder that stands for a host's disk."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deployer.model.hosts import Host
from deployer.remote.appspec.spec import IN_PLACE, LifecycleEvent
from deployer.remote.bundle.bundle import Bundle, load_bundle
from deployer.remote.bundle.sources import Place
from deployer.remote.door import SshDoor
from deployer.remote.install import Installer, JobState, JobStatus
from deployer.remote.plan import HostRequest, Surroundings
from tests.remote.ssh_server import SshHost

APPSPEC = """\
version: 0.0
os: linux
files:
  - source: app
    destination: /srv/app
permissions:
  - object: /srv/app
    pattern: "*.sh"
    mode: "700"
    type: [file]
hooks:
"""
EVENTS = [event.value for event in LifecycleEvent if event.takes_scripts]


class Site:
    """Releases for one host."""

    def __init__(self, folder: Path, host: Host, door: SshDoor) -> None:
        self.folder = folder
        self.host = host
        self.installer = Installer(door, sleep=lambda _s: time.sleep(0.02))

    def bundle(self, number: int, files: dict[str, str], appspec: str | None = None) -> Bundle:
        text = (
            appspec
            if appspec is not None
            else APPSPEC + "".join(f"  {event}:\n    - location: /hook.sh\n      timeout: 20\n" for event in EVENTS)
        )
        source = self.folder / f"bundle-{number}"
        hook = f'#!/bin/sh\necho "$LIFECYCLE_EVENT {number}" >> "$HOME/events"\n'
        everything = {"appspec.yml": text, "hook.sh": hook}
        for name, content in {**everything, **files}.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return load_bundle(str(source), str(number), Place("", self.folder, self.folder / "cache"))

    def install(self, bundle: Bundle, deployment: str = "d-1") -> JobStatus:
        self.installer.stage(self.host, bundle.packed)
        return self.installer.install(self.host, self.request(bundle, deployment))

    def request(self, bundle: Bundle, deployment: str = "d-1") -> HostRequest:
        surroundings = Surroundings("shop", deployment, "web", self.host.instance, release_to=bundle.release)
        return HostRequest(bundle.packed.digest, IN_PLACE, bundle.spec, surroundings)


@pytest.fixture
def site(tmp_path: Path, host: Host, door: SshDoor) -> Site:
    return Site(tmp_path, host, door)


def test_files_are_installed_and_events_run_in_the_documented_order(site: Site, ssh_host: SshHost) -> None:
    bundle = site.bundle(1, {"app/run.sh": "one", "app/page.html": "<p>"})

    status = site.install(bundle)

    assert status.state is JobState.DONE, status
    assert (ssh_host.disk / "srv/app/run.sh").read_text() == "one"
    assert (ssh_host.disk / "srv/app/run.sh").stat().st_mode & 0o777 == 0o700
    assert (ssh_host.home / "events").read_text().splitlines() == [
        "BeforeInstall 1",
        "AfterInstall 1",
        "ApplicationStart 1",
        "ValidateService 1",
    ]


def test_application_stop_comes_from_the_release_that_succeeded_last(site: Site, ssh_host: SshHost) -> None:
    site.install(site.bundle(1, {"app/a": "1"}))
    (ssh_host.home / "events").unlink()

    status = site.install(site.bundle(2, {"app/b": "2"}))

    assert status.state is JobState.DONE, status
    assert (ssh_host.home / "events").read_text().splitlines()[:2] == ["ApplicationStop 1", "BeforeInstall 2"]
    assert not (ssh_host.disk / "srv/app/a").exists()
    assert (ssh_host.disk / "srv/app/b").read_text() == "2"
