"""A machine room of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from deployer.lab.context import Directory, LabSettings
from deployer.lab.home import OWNER_MARK
from deployer.lab.machines.room import Room
from deployer.lab.network import Network
from tests.lab.core.bench import ZONES, Lab, close


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path = tmp_path / "key"
    key.write_private_key(path)
    path.chmod(0o600)
    network = Network.reserve(ZONES)
    settings = LabSettings(boot=0.0)
    room = Room(
        Directory(tmp_path),
        settings,
        network,
        environment={OWNER_MARK: str(tmp_path)},
        public_keys=lambda names: [key.export_public_key().decode()] if "lab" in names else [],
    )
    yield Lab(room, tmp_path, path, settings)
    close(room, tmp_path)
    network.release()
