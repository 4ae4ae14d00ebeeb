from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from deployer.remote.errors import HostKeyRefused
from deployer.remote.hostkeys import HostKey, KnownHosts, console_keys


def public(kind: str = "ssh-ed25519") -> str:
    return " ".join(asyncssh.generate_private_key(kind).export_public_key().decode().split()[:2])


def block(*keys: str, prefix: str = "") -> str:
    lines = ["-----BEGIN SSH HOST KEY KEYS-----", *keys, "-----END SSH HOST KEY KEYS-----"]
    return "".join(f"{prefix}{line}\r\n" for line in lines)


@pytest.mark.parametrize("prefix", ["", "[   12.345] cloud-init[812]: ", "ec2: "])
def test_keys_are_found_between_cloud_inits_marks(prefix: str) -> None:
    one, two = public(), public("ecdsa-sha2-nistp256")
    console = "boot\n" + block(f"{one} root@ip-10-0-0-5", f"{two} root@ip", prefix=prefix) + "login:"

    assert console_keys(console) == tuple(HostKey(*key.split()) for key in (one, two))


def test_keys_outside_a_whole_block_do_not_count() -> None:
    key = public()

    assert console_keys(key) == ()
    assert console_keys(block(key).replace("-----END", "")) == ()


def test_the_last_block_counts() -> None:
    old, new = public(), public()

    assert console_keys(block(old) + block(new)) == (HostKey(*new.split()),)


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
