from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from deployer.remote.errors import HostKeyRefused
from deployer.remote.hostkeys import HostKey, KnownHosts
from tests.remote.test_console_keys import public


def test_a_key_that_cannot_be_read_is_an_error_in_one_sentence() -> None:
    with pytest.raises(HostKeyRefused, match="cannot be read"):
        HostKey("ssh-ed25519", "AAAA").load()


def test_known_hosts_files_are_read_with_their_oddities(tmp_path: Path) -> None:
    key = public()
    known = tmp_path / "known_hosts"
    hashed = asyncssh.generate_private_key("ssh-ed25519")
    known.write_text(
        "# comment\n\n"
        f"10.0.0.5,host.example.com {key} comment\n"
        "10.0.0.6 ssh-ed25519 not-base64!\n"
        f"@cert-authority *.example.com {key}\n"
        "10.0.0.7\n"
        f"[10.0.0.8]:2222 {hashed.export_public_key().decode()}"
    )

    hosts = KnownHosts([tmp_path / "absent", known])

    assert [k.get_base64() for k in hosts.keys("10.0.0.5")] == [key.split()[1]]
    assert len(hosts.keys("host.example.com")) == 1
    assert len(hosts.keys("[10.0.0.8]:2222")) == 1
    for name in ("10.0.0.6", "10.0.0.7", "x.example.com", "10.0.0.8"):
        assert hosts.keys(name) == ()
