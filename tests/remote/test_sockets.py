from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deployer.remote.sockets import count_connections

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(local: str, state: str) -> str:
    return (
        f"   0: {local} 0200007F:C350 {state} 00000000:00000000 00:00000000 00000000  1000 0 1 1 0 20 4 30 10 -1\n"
    )


def test_only_connections_in_use_on_this_address_and_port_count() -> None:
    table = HEAD + "".join(
        [
            row("0B00420A:1F90", "01"),  # 10.66.0.11:8080, established
            row("0B00420A:1F90", "04"),  # our last bytes are not acknowledged yet
            row("0B00420A:1F90", "0A"),  # listening
            row("0B00420A:1F90", "06"),  # time wait
            row("0B00420A:0016", "01"),  # SSH
            row("0C00420A:1F90", "01"),  # another machine in the same network namespace
        ]
    )

    assert count_connections(table, "10.66.0.11", 8080) == 2


def test_connections_of_a_server_on_ipv6_count_by_their_ipv4_address() -> None:
    table = (
        HEAD
        + row("0000000000000000FFFF00000B00420A:1F90", "01")
        + row("B80D0120000000000000000001000000:1F90", "01")
    )

    assert count_connections(table, "10.66.0.11", 8080) == 1
    assert count_connections(table, "2001:db8::1", 8080) == 1


@pytest.mark.parametrize(
    "text", ["", HEAD, "garbage\n", "0: zz:zz x 01\n", "0: 00:1F90 x 01\n", row("0B00420A", "01")]
)
def test_what_is_no_table_counts_as_nothing(text: str) -> None:
    assert count_connections(text, "10.66.0.11", 8080) == 0


def test_this_kernels_own_table_is_understood() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            with accepted:
                assert count_connections(Path("/proc/net/tcp").read_text(), "127.0.0.1", port) == 1
