"""How it is found out whether a host can show the connections to a port at all."""

from __future__ import annotations

import socket
import subprocess
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest

from deployer.model.hosts import Host
from deployer.remote.command import Command, Listener
from deployer.remote.connections import LARGEST_TABLE, ConnectionReader
from deployer.remote.errors import RemoteError
from deployer.remote.outcome import CommandOutcome, Done, Failed
from deployer.remote.sockets import Reading, read_sockets

HOST = Host("i-1", "127.0.0.7", addresses=("127.0.0.7", "127.0.0.8"))
WHOLE = "the whole table\n"


@dataclass
class Kernel:
    """A host's door: its socket table and its tracked connections; None for one that cannot be read."""

    sockets: str | None = None
    tracked: str = ""
    end: str = WHOLE
    asked: list[Command] = field(default_factory=list)

    def run(
        self, host: Host, wanted: Command, stdin: BinaryIO | None = None, listener: Listener | None = None
    ) -> CommandOutcome:
        self.asked.append(wanted)
        if "nf_conntrack" in wanted.line:
            return Done(self.tracked.encode())
        table = Path("/proc/net/tcp").read_text() if self.sockets is None else self.sockets
        return Done((table + self.end).encode()[: wanted.output_limit])

    def close(self) -> None:
        """Nothing is open."""


def row(port: int, state: str = "01") -> str:
    return f"   0: 0700007F:{port:04X} 0900007F:C350 {state} 00000000:00000000\n"


def tracked(state: str) -> str:
    return (
        f"ipv4     2 tcp      6 100 {state} src=127.0.0.9 dst=127.0.0.7 sport=5000 dport=8080 "
        f"src=172.17.0.2 dst=127.0.0.9 sport=80 dport=5000 mark=0 use=1\n"
    )


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.7", 0)) as listening:
        yield listening


def test_an_idle_host_shows_a_connection_that_is_opened_to_be_seen_and_it_does_not_count(
    server: socket.socket,
) -> None:
    port = server.getsockname()[1]

    found = ConnectionReader(Kernel(), become=False).read(HOST, {port}, {port})

    assert found == Reading(0, frozenset({port}))


def test_a_port_whose_connections_go_elsewhere_stays_unproven(server: socket.socket) -> None:
    """The table is that of a host whose kernel passes what comes to this port on to a container."""
    port = server.getsockname()[1]

    found = ConnectionReader(Kernel(sockets="  sl  local_address\n"), become=False).read(HOST, {port}, {port})

    assert found == Reading()


def test_nothing_is_opened_for_a_port_that_shows_connections_or_that_nobody_asks_about(
    server: socket.socket,
) -> None:
    port = server.getsockname()[1]
    kernel = Kernel(sockets=row(port, "06"))
    reader = ConnectionReader(kernel, become=True)

    assert reader.read(HOST, {port}, {port}) == Reading(0, frozenset({port})), "an ended one shows enough"
    assert reader.read(HOST, {port}, ()) == Reading(0, frozenset({port}))
    assert len(kernel.asked) == 2
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        server.accept()


def test_a_port_on_which_nobody_listens_stays_unproven(server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()

    assert ConnectionReader(Kernel(), become=False).read(HOST, {port}, {port}) == Reading()


def test_a_published_port_of_a_container_is_counted_where_its_tracked_connections_can_be_read() -> None:
    kernel = Kernel(sockets="", tracked=tracked("ESTABLISHED") + WHOLE)
    reader = ConnectionReader(kernel, become=True)

    assert reader.read(HOST, {8080}, {8080}) == Reading(1, frozenset({8080}))
    kernel.tracked = WHOLE
    assert reader.read(HOST, {8080}, ()) == Reading(), (
        "proven before: that none is tracked means that there is none"
    )


def test_tracked_connections_that_cannot_be_read_any_more_are_unknown_and_not_none() -> None:
    kernel = Kernel(sockets="", tracked=tracked("ESTABLISHED") + WHOLE)
    reader = ConnectionReader(kernel, become=True)
    reader.read(HOST, {8080}, {8080})

    kernel.tracked = ""
    with pytest.raises(RemoteError, match="could be read before and cannot be now"):
        reader.read(HOST, {8080}, ())


def test_a_table_that_did_not_come_whole_proves_nothing() -> None:
    kernel = Kernel(sockets="", tracked=tracked("ESTABLISHED"))

    assert ConnectionReader(kernel, become=True).read(HOST, {8080}, {8080}) == Reading()


@pytest.mark.parametrize(("become", "word"), [(True, "become"), (False, "stay")])
def test_root_is_asked_only_where_that_is_allowed(become: bool, word: str) -> None:
    kernel = Kernel(sockets="")

    ConnectionReader(kernel, become=become).read(HOST, {80, 8080}, {80})

    assert kernel.asked[1].arguments[-2:] == ("80|8080", word)


def test_a_socket_table_that_cannot_be_read_is_an_error() -> None:
    class Shut(Kernel):
        def run(
            self, host: Host, wanted: Command, stdin: BinaryIO | None = None, listener: Listener | None = None
        ) -> CommandOutcome:
            return Failed(1, "no such file")

    with pytest.raises(RemoteError, match="/proc/net/tcp cannot be read"):
        ConnectionReader(Shut(), become=False).read(HOST, {8080}, ())


def test_a_table_that_is_cut_off_is_no_answer() -> None:
    reader = ConnectionReader(Kernel(sockets=row(8080), end=""), become=False)
    with pytest.raises(RemoteError, match=r"is not the whole of /proc/net/tcp; at most 16777216 are read"):
        reader.read(HOST, {8080}, ())


def test_an_endless_table_is_refused_and_costs_little_memory() -> None:
    kernel = Kernel(sockets=row(8080) * 500_000)
    tracemalloc.start()
    try:
        with pytest.raises(RemoteError, match="not the whole"):
            ConnectionReader(kernel, become=False).read(HOST, {8080}, ())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kernel.asked[0].output_limit == LARGEST_TABLE
    assert peak < 8 * LARGEST_TABLE


def test_the_largest_table_is_read_line_by_line() -> None:
    text = row(8080) * (LARGEST_TABLE // len(row(8080)))
    tracemalloc.start()
    try:
        assert read_sockets(text, ["127.0.0.7"], {8080}).open == text.count("\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(text)


def test_the_kernels_table_is_sifted_on_the_host(server: socket.socket) -> None:
    port = server.getsockname()[1]
    kernel = Kernel()
    with socket.create_connection(("127.0.0.7", port)):
        ConnectionReader(kernel, become=False).read(HOST, {port}, ())
        said = subprocess.run(kernel.asked[0].arguments, capture_output=True, check=True, text=True).stdout
    lines = said.splitlines()
    assert lines.pop() == "the whole table"
    assert lines
    assert all(line.split()[1].endswith(f":{port:04X}") for line in lines)
    assert read_sockets(said, ["127.0.0.7"], {port}).open == 1
