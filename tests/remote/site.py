"""Releases of one host, and what installs them over its SSH connection."""

from __future__ import annotations

import time
from pathlib import Path

from deployer.model.hosts import Host
from deployer.remote.appspec.spec import IN_PLACE, LifecycleEvent
from deployer.remote.bundle.bundle import Bundle, load_bundle
from deployer.remote.bundle.sources import Place
from deployer.remote.door import SshDoor
from deployer.remote.install import Installer, InstallSettings, JobStatus
from deployer.remote.plan import HostRequest, Surroundings

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

    def __init__(self, folder: Path, host: Host, door: SshDoor, fleet: str = "web") -> None:
        self.folder = folder
        self.host = host
        self.fleet = fleet
        self.installer = Installer(door, InstallSettings(fleet), sleep=lambda _s: time.sleep(0.02))

    def bundle(self, number: int, files: dict[str, str], appspec: str | None = None) -> Bundle:
        text = (
            appspec
            if appspec is not None
            else APPSPEC + "".join(f"  {event}:\n    - location: /hook.sh\n      timeout: 20\n" for event in EVENTS)
        )
        source = self.folder / f"bundle-{number}"
        files = {"app/index": "", **files} if appspec is None else files
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
        surroundings = Surroundings("shop", deployment, self.fleet, self.host.instance, release_to=bundle.release)
        return HostRequest(bundle.packed.digest, IN_PLACE, bundle.spec, surroundings)
