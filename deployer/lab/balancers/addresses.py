"""The balancers' own loopback addresses and ports, and those that their connections come from."""

from __future__ import annotations

import itertools
import socket

PRIVILEGED = 1024
PORT_OFFSET = 8000
"""Added to a listener's port under 1024, which only root may bind: 80 → 8080, 443 → 8443."""
HOSTS = 253
"""Addresses in a block; the last one of x.y.255 is the lab's own reservation."""


class Addresses:
    """Gives out addresses of the lab's network: `x.y.255.n` to balancers, `x.y.254.n` (and, when
    those are used up, lower ones) as the source of connections to the targets."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._numbers = itertools.cycle(range(1, HOSTS + 1))
        self._balancers: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._claimed: set[tuple[str, int]] = set()

    def balancer(self, name: str) -> str:
        """The address of a balancer, by a name of its own; raises LookupError when all are taken.

        An address comes round again as late as possible: clients of a deleted balancer should meet
        nobody rather than its successor.
        """
        if name not in self._balancers:
            taken = set(self._balancers.values())
            candidates = (f"{self._network}.255.{next(self._numbers)}" for _ in range(HOSTS))
            free = next((address for address in candidates if address not in taken), None)
            if free is None:
                raise LookupError(f"a lab has room for {HOSTS} balancers, and all places are taken")
            self._balancers[name] = free
        return self._balancers[name]

    def forget_balancer(self, name: str) -> None:
        """Frees the address of a deleted balancer."""
        self._balancers.pop(name, None)

    def source(self, pool: str) -> str:
        """The address that connections of a pool come from."""
        if pool not in self._sources:
            block, number = divmod(len(self._sources), HOSTS)
            self._sources[pool] = f"{self._network}.{254 - block}.{number + 1}"
        return self._sources[pool]

    def claim(self, address: str, port: int) -> bool:
        """Makes an address and port the lab's own; False when another program is bound to it.

        What is claimed once stays so: the proxy may still hold the port of a deleted listener.
        """
        if (address, port) not in self._claimed and not is_free(address, port):
            return False
        self._claimed.add((address, port))
        return True


def bound_port(port: int) -> int:
    """The port that is really bound for a listener's port."""
    return port + PORT_OFFSET if port < PRIVILEGED else port


def is_free(address: str, port: int) -> bool:
    """Whether nothing is bound to the address and port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
