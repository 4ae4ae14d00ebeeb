"""Connections on a host, from its kernel's tables of sockets and of tracked connections. Pure."""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

ESTABLISHED = 0x01
SYN_RECV = 0x03
FIN_WAIT_1 = 0x04
CLOSE_WAIT = 0x08
LAST_ACK = 0x09
CLOSING = 0x0B
IN_USE = frozenset({ESTABLISHED, SYN_RECV, FIN_WAIT_1, CLOSE_WAIT, LAST_ACK, CLOSING})
"""States in which a request may be on its way, or its answer: opening and open; half-closed by a client that waits
for its answer (CLOSE_WAIT); closed by us, with the last bytes not acknowledged yet (FIN_WAIT_1, LAST_ACK, CLOSING).
In FIN_WAIT_2 and TIME_WAIT everything that we sent has arrived. [Linux, include/net/tcp_states.h]"""
FIN_WAIT_2 = 0x05
TIME_WAIT = 0x06
_A_CONNECTION = IN_USE | {FIN_WAIT_2, TIME_WAIT}

_TRACKED_IN_USE = frozenset({"SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK"})
"""The same for tracked connections, which have one state for both ends. [Linux, nf_conntrack_proto_tcp.c]"""
_OFFLOADED = frozenset({"[OFFLOAD]", "[HW_OFFLOAD]"})


_LONGEST_LINE = 1024
"""A line of these tables has 150 to 400 characters."""


@dataclass(frozen=True)
class Reading:
    """What one look at a host's tables has shown of the ports that were asked about.

    `open` counts the connections in use. `shown` are the ports with any trace of a connection from elsewhere, also
    one that has ended: there, none in use means none. On the other ports it may mean that they are not seen.
    """

    open: int = 0
    shown: frozenset[int] = frozenset()

    def __add__(self, other: Reading) -> Reading:
        return Reading(self.open + other.open, self.shown | other.shown)


@dataclass(frozen=True)
class _Connection:
    port: int
    in_use: bool
    from_elsewhere: bool


_Parse: TypeAlias = "Callable[[list[str], Collection[Address]], _Connection | None]"


def read_sockets(tables: str, addresses: Collection[str], ports: Collection[int]) -> Reading:
    """The connections on local addresses and ports in `/proc/net/tcp` or `tcp6`, or both after one another.

    Lines that are no table rows (the headings) do not count. The address is compared too: machines that share
    a network namespace see each other's connections. One that the host makes to itself counts as in use, but shows
    nothing of those that come from elsewhere: rules that redirect these do not apply to it.
    """
    own = frozenset(map(ipaddress.ip_address, addresses))
    return _reading(_each(tables, own, ports, _socket))


def read_tracked(table: str, addresses: Collection[str], ports: Collection[int]) -> Reading:
    """The connections to these addresses and ports in `/proc/net/nf_conntrack` that are passed on somewhere else.

    A container's published port is such: the host's own socket tables do not have those connections. What ends on
    the same address and port is left out, for the socket tables tell it better.
    """
    own = frozenset(map(ipaddress.ip_address, addresses))
    return _reading(_each(table, own, ports, _tracked))


def _reading(found: Iterable[_Connection]) -> Reading:
    in_use, shown = 0, set()
    for one in found:
        in_use += one.in_use
        if one.from_elsewhere:
            shown.add(one.port)
    return Reading(in_use, frozenset(shown))


def _each(text: str, own: Collection[Address], ports: Collection[int], parse: _Parse) -> Iterator[_Connection]:
    # Line by line: a list of them takes several times as much memory as the table.
    for line in io.StringIO(text):
        if len(line) > _LONGEST_LINE:
            continue
        try:
            found = parse(line.split(), own)
        except ValueError:
            continue
        if found is not None and found.port in ports:
            yield found


def _socket(columns: list[str], own: Collection[Address]) -> _Connection | None:
    """`0: 0B00420A:1F90 0200007F:C350 01 …`: local address and port, remote ones, state."""
    if len(columns) < 4 or not columns[0].endswith(":"):
        return None
    local, _, port = columns[1].partition(":")
    state = int(columns[3], 16)
    if state not in _A_CONNECTION or _address(local) not in own:
        return None
    remote = _address(columns[2].partition(":")[0])
    return _Connection(int(port, 16), state in IN_USE, remote not in own)


def _tracked(words: list[str], own: Collection[Address]) -> _Connection | None:
    """`ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED] …`."""
    if len(words) < 6 or words[2] != "tcp" or "[UNREPLIED]" in words:
        return None
    pairs = [(key, value) for key, sign, value in (word.partition("=") for word in words) if sign]
    there = dict(pairs[:4])
    back = dict(pairs[4:8])
    if not {"src", "dst", "dport"} <= there.keys() or not {"src", "sport"} <= back.keys():
        return None
    port, ends_at = int(there["dport"]), (ipaddress.ip_address(back["src"]), int(back["sport"]))
    target = ipaddress.ip_address(there["dst"])
    if target not in own or ends_at == (target, port):
        return None
    # One that is handed to the network card, or past the firewall, is listed without a state: it is established.
    in_use = words[5] in _TRACKED_IN_USE or bool(_OFFLOADED & set(words))
    return _Connection(port, in_use, ipaddress.ip_address(there["src"]) not in own)


def _address(text: str) -> Address:
    """The kernel writes each 32-bit word in the host's byte order; EC2's are little-endian, x86 and Arm alike."""
    words = bytes.fromhex(text)
    raw = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
