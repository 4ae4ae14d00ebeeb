"""Reads which connections a host has, and finds out whether it can show those to a port at all."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Collection, Iterator
from dataclasses import replace

from deployer.model.hosts import Host
from deployer.remote.command import script
from deployer.remote.door import Door
from deployer.remote.errors import RemoteError
from deployer.remote.outcome import Done, Failed, Unknown
from deployer.remote.sockets import Reading, read_sockets, read_tracked

_WHOLE = "the whole table"
LARGEST_TABLE = 16 * 1024 * 1024
"""Bytes of a host's answer that are looked at: some 400,000 connections to the ports that are asked about."""
# A table has a line of 150 bytes for each connection of the host, so it is sifted there, down to addresses and
# state. 1 is grep's word for none. tcp6 is missing where IPv6 is off; that is no reason to fail.
_SOCKETS = f"""
sift() {{ grep -oE "^ *[0-9]+: [0-9A-F]+:($1) [0-9A-F]+:[0-9A-F]+ [0-9A-F]+" "$2"; [ $? -le 1 ]; }}
sift "$1" /proc/net/tcp || exit 2
[ ! -r /proc/net/tcp6 ] || sift "$1" /proc/net/tcp6 || exit 2
echo "{_WHOLE}"
"""
_TRACKED = f"""
table=/proc/net/nf_conntrack
[ -e "$table" ] || exit 0
sift='grep -E "dport=($1) " "$2"; [ $? -le 1 ] && echo "{_WHOLE}"'
if [ -r "$table" ]; then
  sh -c "$sift" sh "$1" "$table"
elif [ "$2" = become ]; then
  sudo -n sh -c "$sift" sh "$1" "$table" 2>/dev/null
fi
exit 0
"""
_KNOCK_SECONDS = 1.0
"""How long a port may take to accept a connection that is opened only to be seen."""


class ConnectionReader:
    """Reads the connections of hosts; safe to use from many threads."""

    def __init__(self, door: Door, *, become: bool) -> None:
        """`become` says whether root may be asked for what only root can read."""
        self._door = door
        self._become = become
        self._forwarding: set[str] = set()
        """Hosts that show connections only in their table of tracked ones."""
        self._silent: set[tuple[str, int]] = set()
        """Ports that cannot be reached from here: each knock would take its whole time."""

    def read(self, host: Host, ports: Collection[int], unproven: Collection[int]) -> Reading:
        """The connections on these ports; raises RemoteError when the host does not tell.

        For `unproven` ports without a trace of a connection more is tried: the kernel's table of tracked
        connections, where it can be read, and a connection of our own, opened to be seen.
        """
        found = self._sockets(host, ports)
        missing = frozenset(unproven) - found.shown
        if missing or host.instance in self._forwarding:
            found += self._tracked(host, ports)
            missing -= found.shown
        if missing:
            found = replace(found, shown=found.shown | self._knock(host, missing))
        return found

    def _sockets(self, host: Host, ports: Collection[int]) -> Reading:
        wanted = "|".join(f"{port:04X}" for port in sorted(ports))
        match self._door.run(host, script(_SOCKETS, wanted, deadline=20.0, output_limit=LARGEST_TABLE)):
            case Done(output):
                if not output.endswith(f"{_WHOLE}\n".encode()):
                    raise RemoteError(
                        f"{host.instance}: its answer of {len(output)} bytes is not the whole of /proc/net/tcp; "
                        f"at most {LARGEST_TABLE} are read"
                    )
                return read_sockets(output.decode("ascii", "replace"), _addresses(host), ports)
            case Failed(code, tail):
                raise RemoteError(f"{host.instance}: /proc/net/tcp cannot be read: exit {code}: {tail[-200:]}")
            case Unknown(reason):
                raise RemoteError(f"{host.instance}: {reason}")

    def _tracked(self, host: Host, ports: Collection[int]) -> Reading:
        """What the host passes on elsewhere, as its kernel tracks it; that table is root's to read."""
        dports = "|".join(map(str, sorted(ports)))
        outcome = self._door.run(
            host, script(_TRACKED, dports, "become" if self._become else "stay", deadline=20.0)
        )
        text = outcome.output.decode("ascii", "replace") if isinstance(outcome, Done) else ""
        if not text.endswith(f"{_WHOLE}\n"):
            if host.instance in self._forwarding:
                raise RemoteError(
                    f"{host.instance}: /proc/net/nf_conntrack could be read before and cannot be now, so the "
                    "connections that it passes on are not known"
                )
            return Reading()
        found = read_tracked(text, _addresses(host), ports)
        if found.shown:
            self._forwarding.add(host.instance)
        return found

    def _knock(self, host: Host, ports: Collection[int]) -> frozenset[int]:
        """The ports on which a connection of our own shows while it is open.

        It comes in as a balancer's does. One from the host to itself would not do, which rules that redirect what
        comes from outside do not apply to.
        """
        with contextlib.ExitStack() as open_ones:
            knocked = [port for port in ports if self._open(host, port, open_ones)]
            return self._sockets(host, knocked).shown if knocked else frozenset()

    def _open(self, host: Host, port: int, open_ones: contextlib.ExitStack) -> bool:
        if (host.instance, port) in self._silent:
            return False
        try:
            open_ones.enter_context(_connected(host.address, port))
        except TimeoutError:
            self._silent.add((host.instance, port))
            return False
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _connected(address: str, port: int) -> Iterator[None]:
    with socket.create_connection((address, port), timeout=_KNOCK_SECONDS):
        yield


def _addresses(host: Host) -> frozenset[str]:
    return frozenset({host.address, *host.addresses})
