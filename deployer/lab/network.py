"""The lab's own piece of loopback: one /16 for each lab, so that several can run side by side."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_FIRST, _LAST = 64, 250
_ZONE_STRIDE = 16
_RESERVED_AT_START = 10
_LOCK_PORT = 4586


class NoNetworkError(Exception):
    """No free piece of loopback, or a system without one; the text says what to do."""


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((address, port))
        except OSError:
            return False
    return True


def free_port(address: str, preferred: int) -> int:
    """`preferred`, or the next port above it that can be bound at `address` (another program may hold
    it on all addresses)."""
    for port in range(preferred, preferred + 200):
        if _can_bind(address, port):
            return port
    raise NoNetworkError(f"no free port from {preferred} to {preferred + 199} at {address}; end what holds them")


@dataclass
class Network:
    """127.x: zone n has 127.x.(16n).0/20 for its machines, balancers are in 127.x.255.0/24.

    The reservation is a bound socket: it needs no file, holds between users, and ends with the process.
    """

    prefix: str
    zones: tuple[str, ...]
    _reservation: socket.socket
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: dict[str, Iterator[str]] = field(default_factory=dict)

    @classmethod
    def reserve(cls, zones: tuple[str, ...], start: int = _FIRST) -> Network:
        """Takes the first free /16 from `start` on."""
        if not _can_bind("127.64.0.1", 0):
            raise NoNetworkError(
                "this system has only 127.0.0.1 on loopback (macOS does); the lab needs Linux for now"
            )
        span = _LAST - _FIRST + 1
        for offset in range(span):
            prefix = f"127.{_FIRST + (start - _FIRST + offset) % span}"
            lock = socket.socket()
            try:
                lock.bind((f"{prefix}.255.254", _LOCK_PORT))
            except OSError:
                lock.close()
                continue
            return cls(prefix, zones, lock)
        raise NoNetworkError("every network from 127.64 to 127.250 is taken by a lab; run deployer lab down --all")

    @property
    def block(self) -> str:
        """The whole network, as a VPC's CIDR block."""
        return f"{self.prefix}.0.0/16"

    def subnet(self, zone: str) -> str:
        """The CIDR block of a zone's subnet."""
        return f"{self.prefix}.{self.zones.index(zone) * _ZONE_STRIDE}.0/20"

    def free_address(self, zone: str, port: int) -> str:
        """An address of the zone that can bind `port`; the last to come round again are those used last."""
        with self._lock:
            addresses = self._next.setdefault(zone, itertools.cycle(self._addresses(zone)))
            for _ in range(_ZONE_STRIDE * 256):
                address = next(addresses)
                if _can_bind(address, port):
                    return address
        raise NoNetworkError(f"zone {zone} has no free address in {self.subnet(zone)}")

    def _addresses(self, zone: str) -> list[str]:
        first = self.zones.index(zone) * _ZONE_STRIDE
        return [
            f"{self.prefix}.{third}.{fourth}"
            for third in range(first, first + _ZONE_STRIDE)
            for fourth in range(_RESERVED_AT_START if third == first else 1, 255)
        ]

    def release(self) -> None:
        """Gives the network back."""
        self._reservation.close()
