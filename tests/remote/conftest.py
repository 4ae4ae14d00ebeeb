from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.model.hosts import Host
from deployer.remote.door import SshDoor
from deployer.remote.ssh import SshSettings
from tests.remote.site import Site
from tests.remote.ssh_server import SshHost


@pytest.fixture
def ssh_host(tmp_path: Path) -> Iterator[SshHost]:
    folder = tmp_path / "host"
    folder.mkdir()
    host = SshHost(folder)
    yield host
    host.close()


@pytest.fixture
def settings(ssh_host: SshHost, tmp_path: Path) -> SshSettings:
    known = tmp_path / "known_hosts"
    known.write_text(ssh_host.known_hosts_line)
    return SshSettings(
        user="ec2-user",
        port=ssh_host.port,
        key_files=(ssh_host.key_file,),
        use_agent=False,
        known_hosts=(known,),
        connect=5,
        patience=5,
    )


@pytest.fixture
def door(settings: SshSettings) -> Iterator[SshDoor]:
    door = SshDoor(replace(settings, patience=2), sleep=lambda _seconds: None)
    yield door
    door.close()


@pytest.fixture
def host() -> Host:
    return Host("i-0123456789abcdef0", "127.0.0.1", "eu-west-1a")


@pytest.fixture
def site(tmp_path: Path, host: Host, door: SshDoor) -> Site:
    return Site(tmp_path, host, door)
