"""Connections on a host, from what its kernel shows in `/proc/net/tcp` and `/proc/net/tcp6`. Pure."""

from __future__ import annotations

import ipaddress

ESTABLISHED = 0x01
FIN_WAIT_1 = 0x04
IN_USE = frozenset({ESTABLISHED, FIN_WAIT_1})
"""States in which bytes of an answer may still be on their way: open, and closed by us but not yet acknowledged."""


def count_connections(tables: str, address: str, port: int) -> int:
    """The connections in use on a local address and port, in either table, or both after one another.

    Lines that are no table rows (the headings) do not count. The address is compared too: machines that share
    a network namespace see each other's connections.
    """
    wanted = ipaddress.ip_address(address)
    return sum(1 for line in tables.splitlines() if _is_in_use(line.split(), wanted, port))


def _is_in_use(columns: list[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> bool:
    if len(columns) < 4 or not columns[0].endswith(":"):
        return False
    local, _, local_port = columns[1].partition(":")
    try:
        return int(columns[3], 16) in IN_USE and int(local_port, 16) == port and _address(local) == address
    except ValueError:
        return False


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel writes each 32-bit word in the host's byte order; EC2's are little-endian, x86 and Arm alike."""
    words = bytes.fromhex(text)
    raw = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
