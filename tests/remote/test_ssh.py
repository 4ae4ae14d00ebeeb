"""SSH against a real server in this process: host keys, logins, deadlines, lost connections, the bastion."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from deployer.model.hosts import Host
from deployer.remote.command import Command, command, script
from deployer.remote.door import SshDoor
from deployer.remote.errors import HostKeyRefused, LoginRefused, Unreachable
from deployer.remote.hostkeys import HostKey, HostKeySource
from deployer.remote.outcome import Done, Failed, Unknown
from deployer.remote.ssh import Bastion, Endpoint, SshSettings
from tests.patience import PATIENCE
from tests.remote.ssh_server import SshHost

MakeDoor = Callable[..., SshDoor]


@pytest.fixture
def make_door() -> Iterator[MakeDoor]:
    doors = []

    def make(settings: SshSettings, source: HostKeySource | None = None) -> SshDoor:
        doors.append(SshDoor(settings, source, sleep=lambda _seconds: time.sleep(0.02)))
        return doors[-1]

    yield make
    for door in doors:
        door.close()


class Console:
    """A source of host keys that tells what it was given."""

    def __init__(self, key: asyncssh.SSHKey | None, kept: asyncssh.SSHKey | None = None) -> None:
        self.asked: list[str] = []
        self._key = key
        self._kept = kept

    def kept(self, instance: str) -> Sequence[HostKey]:
        return () if self._kept is None else (as_host_key(self._kept),)

    def host_keys(self, instance: str) -> Sequence[HostKey]:
        self.asked.append(instance)
        if self._key is None:
            return ()
        return (as_host_key(self._key),)


def as_host_key(key: asyncssh.SSHKey) -> HostKey:
    return HostKey(*key.export_public_key().decode().split()[:2])


def test_a_command_runs_and_its_output_comes_back(door: SshDoor, host: Host) -> None:
    assert door.run(host, command("echo", "hello")) == Done(b"hello\n")


def test_arguments_reach_the_command_as_they_are_whatever_they_hold(door: SshDoor, host: Host) -> None:
    words = ["a b", "$HOME", "`id`", "x; rm -rf /", "'", '"', "new\nline", "", "*", "é"]

    outcome = door.run(host, command("printf", "%s\\0", *words))

    assert outcome == Done("".join(f"{word}\0" for word in words).encode())
    assert door.run(host, script('printf "%s" "$1"', "$(id)")) == Done(b"$(id)")


def test_a_failing_command_brings_its_status_and_the_end_of_what_it_said(door: SshDoor, host: Host) -> None:
    outcome = door.run(host, script("echo out; echo problem >&2; exit 7"))

    assert isinstance(outcome, Failed)
    assert outcome.exit == 7
    assert "problem" in outcome.tail


def test_output_is_bounded_and_streamed(door: SshDoor, host: Host) -> None:
    heard = bytearray()

    outcome = door.run(
        host, Command(("head", "-c", "3000000", "/dev/zero"), output_limit=1000), listener=heard.extend
    )

    assert outcome == Done(bytes(1000))
    assert len(heard) == 3_000_000


def test_both_streams_may_be_full_at_once(door: SshDoor, host: Host) -> None:
    outcome = door.run(host, script("head -c 4000000 /dev/zero >&2; head -c 4000000 /dev/zero | wc -c"))

    assert isinstance(outcome, Done)
    assert outcome.output.strip() == b"4000000"


def test_standard_input_is_sent_whole(door: SshDoor, host: Host) -> None:
    data = bytes(range(256)) * 8000

    outcome = door.run(host, command("sha256sum"), io.BytesIO(data))

    import hashlib

    assert isinstance(outcome, Done)
    assert outcome.output.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_host_that_nobody_vouches_for_is_refused_and_not_remembered(
    make_door: MakeDoor, settings: SshSettings, host: Host, tmp_path: Path
) -> None:
    empty = tmp_path / "none"
    empty.write_text("")
    door = make_door(replace(settings, known_hosts=(empty,)), Console(None))

    with pytest.raises(HostKeyRefused, match="is not known"):
        door.run(host, command("true"))
    assert empty.read_text() == ""


def test_another_key_than_the_known_one_is_refused_before_the_login(
    make_door: MakeDoor, settings: SshSettings, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known = tmp_path / "other"
    known.write_text(f"[127.0.0.1]:{ssh_host.port} {other}")

    with pytest.raises(HostKeyRefused, match="shows the key ssh-ed25519 SHA256"):
        make_door(replace(settings, known_hosts=(known,))).run(host, command("true"))
    assert ssh_host.logins == []


def test_a_host_may_only_show_keys_of_the_kinds_that_are_known(
    make_door: MakeDoor, settings: SshSettings, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    known = tmp_path / "other"
    known.write_text(f"[127.0.0.1]:{ssh_host.port} {other}")

    with pytest.raises(HostKeyRefused, match="no host key of the kinds known"):
        make_door(replace(settings, known_hosts=(known,))).run(host, command("true"))


def test_a_revoked_key_is_refused_though_it_is_known(
    make_door: MakeDoor, settings: SshSettings, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    known = tmp_path / "revoked"
    known.write_text(f"{ssh_host.known_hosts_line}\n@revoked * {ssh_host.host_key.export_public_key().decode()}")

    with pytest.raises(HostKeyRefused, match="revoked"):
        make_door(replace(settings, known_hosts=(known,))).run(host, command("true"))


def test_a_key_from_the_console_is_believed_and_asked_for_once(
    make_door: MakeDoor, settings: SshSettings, host: Host, ssh_host: SshHost
) -> None:
    console = Console(ssh_host.host_key)
    door = make_door(replace(settings, known_hosts=()), console)

    assert door.run(host, command("true")) == Done(b"")
    door.forget(host)
    assert door.run(host, command("true")) == Done(b"")
    assert console.asked == [host.instance]


def test_a_key_on_the_console_does_not_count_where_known_hosts_has_one(
    make_door: MakeDoor, settings: SshSettings, host: Host
) -> None:
    """An application may write to the console."""
    console = Console(asyncssh.generate_private_key("ssh-ed25519"))

    assert make_door(settings, console).run(host, command("true")) == Done(b"")
    assert console.asked == []


def test_a_key_kept_for_the_instance_counts_more_than_an_old_one_of_the_same_address(
    make_door: MakeDoor, settings: SshSettings, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    known = tmp_path / "stale"
    known.write_text(f"[127.0.0.1]:{ssh_host.port} {other.export_public_key().decode()}")
    stale = replace(settings, known_hosts=(known,))

    assert make_door(stale, Console(None, kept=ssh_host.host_key)).run(host, command("true")) == Done(b"")
    with pytest.raises(HostKeyRefused, match="an address may have belonged to another instance"):
        make_door(settings, Console(None, kept=other)).run(host, command("true"))


def test_a_login_with_the_wrong_key_is_refused_without_a_prompt(
    make_door: MakeDoor, settings: SshSettings, host: Host, tmp_path: Path
) -> None:
    key = tmp_path / "other_key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key))

    with pytest.raises(LoginRefused, match="does not let ec2-user in with any of 1 key"):
        make_door(replace(settings, key_files=(key,))).run(host, command("true"))


def test_a_key_with_a_passphrase_is_named(
    make_door: MakeDoor, settings: SshSettings, host: Host, tmp_path: Path
) -> None:
    key = tmp_path / "locked"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(key), passphrase="secret")

    with pytest.raises(LoginRefused, match="has a passphrase; load it with `ssh-add"):
        make_door(replace(settings, key_files=(key,))).run(host, command("true"))


def test_a_connection_that_drops_after_the_command_began_is_an_unknown_outcome_and_is_not_repeated(
    door: SshDoor, host: Host, ssh_host: SshHost
) -> None:
    mark = ssh_host.home / "began"
    waiting = threading.Thread(target=lambda: (_until(mark.exists), ssh_host.drop_connections()))
    waiting.start()

    outcome = door.run(host, script('echo x >> "$1"; sleep 20', str(mark)))

    waiting.join(PATIENCE)
    assert isinstance(outcome, Unknown)
    assert mark.read_text() == "x\n"
    assert door.run(host, command("echo", "again")) == Done(b"again\n")


def test_a_command_that_hangs_ends_at_its_deadline(door: SshDoor, host: Host) -> None:
    outcome = door.run(host, command("sleep", "60", deadline=0.5))

    assert outcome == Unknown("`sleep` did not end within 0.5 s")


def test_a_server_that_takes_commands_and_never_starts_them_is_left_at_the_deadline(
    door: SshDoor, host: Host, ssh_host: SshHost
) -> None:
    ssh_host.hold.set()

    assert isinstance(door.run(host, command("true", deadline=0.5)), Unknown)


def test_a_port_that_never_speaks_is_left_at_the_banner_deadline(
    make_door: MakeDoor, settings: SshSettings, host: Host, tmp_path: Path, ssh_host: SshHost
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        known = tmp_path / "known"
        known.write_text(ssh_host.known_hosts_line.replace(str(ssh_host.port), str(port)))
        door = make_door(replace(settings, port=port, banner=0.3, patience=0, known_hosts=(known,)))

        with pytest.raises(Unreachable, match="does not answer as an SSH server"):
            door.run(host, command("true"))


def test_a_refused_connection_is_tried_again_until_the_patience_is_used_up(
    settings: SshSettings, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    known = tmp_path / "known"
    known.write_text(ssh_host.known_hosts_line.replace(str(ssh_host.port), str(port)))
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds + 1

    settings = replace(settings, port=port, patience=20, known_hosts=(known,))
    door = SshDoor(settings, sleep=sleep, clock=lambda: now[0])

    with pytest.raises(Unreachable, match="does not take SSH connections"):
        door.run(host, command("true"))
    assert len(pauses) >= 3
    assert now[0] >= 20


def test_a_host_that_comes_up_late_is_reached(settings: SshSettings, host: Host, ssh_host: SshHost) -> None:
    relay = _LateRelay(ssh_host.port)
    settings = replace(
        settings, port=relay.port, patience=30, known_hosts=(_known_as(relay.port, ssh_host, ssh_host.folder),)
    )
    door = SshDoor(settings, sleep=lambda _seconds: relay.open())
    try:
        assert door.run(host, command("echo", "late")) == Done(b"late\n")
    finally:
        door.close()
        relay.close()


def test_a_host_behind_a_bastion_is_reached_and_both_keys_are_checked(
    make_door: MakeDoor, settings: SshSettings, host: Host, ssh_host: SshHost, tmp_path: Path
) -> None:
    (tmp_path / "bastion").mkdir()
    bastion = SshHost(tmp_path / "bastion")
    try:
        bastion.client_key = ssh_host.client_key
        known = tmp_path / "both"
        known.write_text(ssh_host.known_hosts_line)
        through = Bastion(Endpoint("127.0.0.1", bastion.port), "jump")
        behind = replace(settings, bastion=through, known_hosts=(known,))

        with pytest.raises(HostKeyRefused):
            make_door(behind).run(host, command("true"))
        known.write_text(ssh_host.known_hosts_line + "\n" + bastion.known_hosts_line)

        assert make_door(behind).run(host, command("echo", "inside")) == Done(b"inside\n")
        assert bastion.forwarded == [("127.0.0.1", ssh_host.port)]
        assert set(bastion.logins) == {"jump"}
        assert set(ssh_host.logins) == {"ec2-user"}
    finally:
        bastion.close()


def test_one_connection_serves_many_commands(door: SshDoor, host: Host, ssh_host: SshHost) -> None:
    for _ in range(5):
        door.run(host, command("true"))

    assert len(ssh_host.connections) == 1


def test_the_socket_sends_small_packets_at_once(settings: SshSettings, host: Host) -> None:
    door = SshDoor(settings)
    try:
        door.run(host, command("true"))
        connection = door._connection(Endpoint(host.address, settings.port, host.instance))
        sock = connection.transport.sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    finally:
        door.close()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)


def _known_as(port: int, host: SshHost, folder: Path) -> Path:
    known = folder / f"known-{port}"
    known.write_text(host.known_hosts_line.replace(str(host.port), str(port)))
    return known


class _LateRelay:
    """A port that refuses connections until it is opened, then passes them on."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def open(self) -> None:
        if self._server is None:
            self._server = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._serve, args=(self._server,), daemon=True).start()

    def _serve(self, server: socket.socket) -> None:
        incoming, _ = server.accept()
        outgoing = socket.create_connection(("127.0.0.1", self._target))
        self._sockets += [incoming, outgoing]
        for one, other in ((incoming, outgoing), (outgoing, incoming)):
            threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        for each in (self._server, *self._sockets):
            if each is not None:
                each.close()
