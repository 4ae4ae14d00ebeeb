"""Which connections of a host are in use, from the tables that its kernel shows."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deployer.remote.sockets import Reading, read_sockets, read_tracked

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
HERE = ["10.66.0.11"]


def row(local: str, state: str, remote: str = "0200007F:C350") -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000  1000 0 1 1 0 20 4 30 10 -1\n"


def test_only_connections_on_this_address_and_port_count() -> None:
    table = HEAD + "".join(
        [
            row("0B00420A:1F90", "01"),  # 10.66.0.11:8080
            row("0B00420A:0016", "01"),  # SSH
            row("0C00420A:1F90", "01"),  # another machine in the same network namespace
        ]
    )

    assert read_sockets(table, HERE, {8080}) == Reading(1, frozenset({8080}))


@pytest.mark.parametrize(
    ("state", "in_use"),
    [
        ("01", True),  # ESTABLISHED
        ("03", True),  # SYN_RECV: a request may come with the next packet
        ("04", True),  # FIN_WAIT_1: our last bytes are not acknowledged
        ("05", False),  # FIN_WAIT_2: they are
        ("06", False),  # TIME_WAIT
        ("08", True),  # CLOSE_WAIT: the client has closed its side, and waits for its answer
        ("09", True),  # LAST_ACK: the same, and the end of the answer is on its way
        ("0B", True),  # CLOSING: both have closed; our last bytes are not acknowledged
    ],
)
def test_a_connection_is_in_use_until_the_last_byte_has_arrived(state: str, in_use: bool) -> None:
    found = read_sockets(row("0B00420A:1F90", state), HERE, {8080})

    assert found == Reading(int(in_use), frozenset({8080})), "whatever its state, it shows that the host can tell"


@pytest.mark.parametrize("state", ["0A", "07", "02"])
def test_listening_and_calling_out_are_no_connections_of_a_server(state: str) -> None:
    assert read_sockets(row("0B00420A:1F90", state), HERE, {8080}) == Reading()


def test_every_port_counts_that_is_asked_about() -> None:
    table = row("0B00420A:1F90", "01") + row("0B00420A:2378", "08") + row("0B00420A:2379", "01")

    assert read_sockets(table, HERE, {8080, 9080}) == Reading(2, frozenset({8080, 9080}))


def test_a_connection_of_the_host_to_itself_shows_nothing_of_those_from_elsewhere() -> None:
    itself = row("0B00420A:1F90", "01", remote="0B00420A:C350")

    assert read_sockets(itself, HERE, {8080}) == Reading(1, frozenset())


def test_connections_over_ipv6_count_and_those_of_an_ipv4_client_on_a_socket_for_both() -> None:
    table = (
        HEAD
        + row("0000000000000000FFFF00000B00420A:1F90", "01")
        + row("B80D0120000000000000000001000000:1F90", "08")
    )

    assert read_sockets(table, HERE, {8080}).open == 1
    assert read_sockets(table, ["2001:db8::1"], {8080}).open == 1
    assert read_sockets(table, [*HERE, "2001:db8::1"], {8080}) == Reading(2, frozenset({8080}))


@pytest.mark.parametrize(
    "text", ["", HEAD, "garbage\n", "0: zz:zz x 01\n", "0: 00:1F90 x 01\n", row("0B00420A", "01")]
)
def test_what_is_no_table_counts_as_nothing(text: str) -> None:
    assert read_sockets(text, HERE, {8080}) == Reading()
    assert read_tracked(text, HERE, {8080}) == Reading()


def read_own(port: int) -> Reading:
    """What this machine's kernel shows of a server on 127.0.0.1, whose clients come from 127.0.0.2."""
    return read_sockets(Path("/proc/net/tcp").read_text(), ["127.0.0.1"], {port})


def test_this_kernels_own_table_is_understood_and_a_half_closed_client_is_still_being_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert read_own(port) == Reading(), "one that listens has shown nothing yet"
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as client:
            accepted, _ = server.accept()
            with accepted:
                assert read_own(port) == Reading(1, frozenset({port}))
                client.shutdown(socket.SHUT_WR)
                assert accepted.recv(1) == b""
                assert read_own(port).open == 1, "its answer is still to come"


def test_an_answer_that_the_client_has_not_taken_yet_is_in_use_though_the_server_has_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        port = server.getsockname()[1]
        client.bind(("127.0.0.2", 0))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the answer fits the server's buffer alone
        client.connect(("127.0.0.1", port))
        accepted, _ = server.accept()
        client.shutdown(socket.SHUT_WR)
        with accepted:
            accepted.setblocking(False)
            sent = accepted.send(b"x" * 500_000)
        assert read_own(port).open == 1
        taken = 0
        while chunk := client.recv(65_536):
            taken += len(chunk)
        assert taken == sent
        assert read_own(port).open == 0


def tracked(state: str, *, port: int = 8080, back: str = "172.17.0.2", back_port: int = 80, more: str = "") -> str:
    """A line of nf_conntrack: a client's connection to the host, and where its answers come from."""
    return (
        f"ipv4     2 tcp      6 431999 {state} src=10.66.9.9 dst=10.66.0.11 sport=50000 dport={port} "
        f"src={back} dst=10.66.9.9 sport={back_port} dport=50000 {more}mark=0 use=1\n"
    )


@pytest.mark.parametrize(
    ("state", "in_use"),
    [
        ("SYN_RECV", True),
        ("ESTABLISHED", True),
        ("FIN_WAIT", True),
        ("CLOSE_WAIT", True),
        ("LAST_ACK", True),
        ("TIME_WAIT", False),
        ("CLOSE", False),
    ],
)
def test_what_is_passed_on_to_a_container_is_told_by_the_tracked_connections(state: str, in_use: bool) -> None:
    assert read_tracked(tracked(state), HERE, {8080}) == Reading(int(in_use), frozenset({8080}))


def test_a_connection_that_ends_on_the_host_itself_is_left_to_the_socket_table() -> None:
    assert read_tracked(tracked("ESTABLISHED", back="10.66.0.11", back_port=8080), HERE, {8080}) == Reading()


def test_a_port_that_is_redirected_on_the_host_is_told_by_the_tracked_connections() -> None:
    redirected = tracked("ESTABLISHED", port=80, back="10.66.0.11", back_port=8080)

    assert read_tracked(redirected, HERE, {80}) == Reading(1, frozenset({80}))


def test_an_offloaded_connection_has_no_state_and_is_established() -> None:
    line = tracked("ESTABLISHED", more="[OFFLOAD] ").replace("431999 ESTABLISHED ", "")

    assert read_tracked(line, HERE, {8080}).open == 1


@pytest.mark.parametrize(
    "line",
    [
        tracked("SYN_SENT", more="[UNREPLIED] "),
        tracked("ESTABLISHED", port=9080),
        tracked("ESTABLISHED").replace("tcp ", "udp "),
        tracked("ESTABLISHED").replace("dst=10.66.0.11", "dst=10.66.0.12"),
    ],
)
def test_tracked_connections_of_others_do_not_count(line: str) -> None:
    assert read_tracked(line, HERE, {8080}) == Reading()
