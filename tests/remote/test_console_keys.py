"""Host keys from consoles: what cloud-init printed counts, and nothing that somebody had logged."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from deployer.remote.console_keys import ConsoleKeys
from deployer.remote.errors import HostKeyRefused
from deployer.remote.hostkeys import HostKey
from deployer.remote.pinned_keys import Pinned


def public(kind: str = "ssh-ed25519") -> str:
    return " ".join(asyncssh.generate_private_key(kind).export_public_key().decode().split()[:2])


def block(*keys: str, prefix: str = "") -> str:
    lines = ["-----BEGIN SSH HOST KEY KEYS-----", *keys, "-----END SSH HOST KEY KEYS-----"]
    return "".join(f"{prefix}{line}\r\n" for line in lines)


def learnt(console: str) -> tuple[HostKey, ...]:
    return tuple(ConsoleKeys(lambda _instance: console).host_keys("i-1"))


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "[   12.345] cloud-init[812]: ",
        "ec2: ",
        "<14>Dec  1 12:00:01 cloud-init: ",
        "Dec  1 12:00:01 ip-10-0-0-5 ec2: ",
    ],
)
def test_keys_are_found_between_cloud_inits_marks(prefix: str) -> None:
    one, two = public(), public("ecdsa-sha2-nistp256")
    console = "boot\n" + block(f"{one} root@ip-10-0-0-5", f"{two} root@ip", prefix=prefix) + "login:"

    assert learnt(console) == tuple(HostKey(*key.split()) for key in (one, two))


def test_keys_outside_a_whole_block_do_not_count() -> None:
    key = public()

    assert learnt(key) == ()
    assert learnt(block(key).replace("-----END", "")) == ()


LOGGED = [
    'nginx: 203.0.113.9 "GET / HTTP/1.1" 200 "{}"',
    "Dec  1 12:00:01 ip-10-0-0-5 app[77]: {}",
    "web-1 | {}",
    "{} is what the client called itself",
]


@pytest.mark.parametrize("line", LOGGED)
def test_marks_within_a_line_of_an_applications_log_do_not_count(line: str) -> None:
    forged = "".join(f"{line.format(part)}\n" for part in block(public()).splitlines())
    own = public()

    assert learnt(forged) == ()
    assert learnt(forged + block(own)) == (HostKey(*own.split()),)
    assert learnt(block(own) + forged) == (HostKey(*own.split()),)


def test_two_blocks_with_different_keys_are_refused_with_both() -> None:
    first, second = public(), public()

    with pytest.raises(
        HostKeyRefused, match=r"i-1 shows two different sets .* first ssh-ed25519 SHA256:.* known_hosts"
    ):
        learnt(block(first) + "app starts\n" + block(second))
    assert learnt(block(first) * 2) == (HostKey(*first.split()),), "as after a reboot"


def test_what_was_learnt_once_stays_whatever_the_console_shows_later(tmp_path: Path) -> None:
    first, forged = public(), public()
    consoles = [block(first)]
    pinned = Pinned(ConsoleKeys(lambda _instance: consoles[-1]), tmp_path / "host-keys")
    expected = [HostKey(*first.split())]

    assert pinned.kept("i-1") == ()
    assert list(pinned.host_keys("i-1")) == expected
    consoles.append(block(forged))
    another_process = Pinned(ConsoleKeys(lambda _instance: consoles[-1]), tmp_path / "host-keys")
    assert list(another_process.host_keys("i-1")) == expected
    assert list(another_process.kept("i-1")) == expected
    assert (tmp_path / "host-keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("instance", ["../i-1", "", "i-1/..", "web"])
def test_only_an_instances_id_names_a_file(tmp_path: Path, instance: str) -> None:
    pinned = Pinned(ConsoleKeys(lambda _instance: block(public())), tmp_path / "host-keys")

    pinned.host_keys(instance)
    assert pinned.kept(instance) == ()
    assert not (tmp_path / "host-keys").exists()


def test_a_folder_that_cannot_be_written_to_costs_the_pin_alone(tmp_path: Path) -> None:
    (tmp_path / "host-keys").write_text("a file")
    pinned = Pinned(ConsoleKeys(lambda _instance: block(public())), tmp_path / "host-keys")

    assert len(pinned.host_keys("i-1")) == 1
