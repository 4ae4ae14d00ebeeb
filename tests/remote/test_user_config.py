"""The user's own SSH configuration: what is taken from it, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.remote.errors import LoginRefused
from deployer.remote.ssh import Bastion, Endpoint, SshSettings
from deployer.remote.user_config import by_config

BASE = SshSettings(user="ec2-user", port=22, key_files=(Path("/keys/fleet"),))
TEXT = """
Host 10.0.*
    User admin
    Port 2200
    IdentityFile /keys/private
    ProxyJump ops@bastion.example.com:2222,second.example.com
    StrictHostKeyChecking no
Host 10.9.*
    ProxyJump none
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(TEXT)
    return path


def test_a_host_that_the_file_names_is_reached_as_it_says(config: Path) -> None:
    found = by_config(BASE, config)("10.0.3.4")
    assert (found.user, found.port) == ("admin", 2200)
    assert Path("/keys/private") in found.key_files
    assert Path("/keys/fleet") in found.key_files
    assert found.bastion == Bastion(Endpoint("bastion.example.com", 2222), "ops")


def test_a_host_that_it_does_not_name_is_reached_as_the_settings_say(config: Path) -> None:
    found = by_config(BASE, config)("172.16.0.1")
    assert (found.user, found.port, found.bastion) == ("ec2-user", 22, None)


def test_it_never_decides_which_host_key_is_believed(config: Path) -> None:
    assert by_config(BASE, config)("10.0.3.4").known_hosts == BASE.known_hosts


def test_a_jump_of_none_is_no_jump_and_a_bastion_of_the_settings_wins(config: Path) -> None:
    assert by_config(BASE, config)("10.9.1.1").bastion is None
    own = Bastion(Endpoint("own.example.com"), "me")
    assert by_config(SshSettings(user="u", bastion=own), config)("10.0.3.4").bastion == own


def test_a_file_that_is_not_there_is_told_with_the_setting_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LoginRefused, match="config_file"):
        by_config(BASE, tmp_path / "gone")
