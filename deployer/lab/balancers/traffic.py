"""What went through the balancers: the proxy's access log, read as it grows, and counted.

The proxy's own counters cannot tell a target's 503 from the balancer's, and know nothing of percentiles; its
access log says both of every request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deployer.lab.balancers.envoy_process import ProxyError

LARGEST = 16_000_000
"""Bytes of a log before another one is begun."""
_FROM_TARGET = "via_upstream"
_NOTHING = "-"
_FIELDS = 5


def log_file(folder: Path) -> Path:
    """Where the proxy writes a line for each request."""
    return folder / "traffic.log"


def line_format(listener: str) -> str:
    """Envoy's format of a line: listener, cluster, status, microseconds until the target answered, who answered."""
    waited = "%COMMON_DURATION(US_TX_END:US_RX_BEG:us)%"
    return f"{listener} %UPSTREAM_CLUSTER% %RESPONSE_CODE% {waited} %RESPONSE_CODE_DETAILS%\n"


@dataclass
class Tally:
    """Requests of one listener that went to one cluster, or to none."""

    requests: int = 0
    by_targets: Counter[int] = field(default_factory=Counter)
    """Status → answers that targets gave."""
    by_balancer: Counter[int] = field(default_factory=Counter)
    """Status → answers that the balancer gave itself."""
    waited: Counter[float] = field(default_factory=Counter)
    """Seconds from the request's end to the answer's beginning → how often."""

    def add(self, other: Tally) -> None:
        """Adds what another one counted."""
        self.requests += other.requests
        self.by_targets += other.by_targets
        self.by_balancer += other.by_balancer
        self.waited += other.waited


Traffic = dict[tuple[str, str], Tally]
"""(listener, cluster) → what was counted; the cluster is "" where no target was asked."""


def count(lines: Iterable[str], into: Traffic) -> None:
    """Counts lines of the log; one that is no such line is passed over."""
    for line in lines:
        parts = line.split()
        if len(parts) < _FIELDS or not parts[2].isdigit():
            continue
        listener, cluster, status, waited, who = parts[:_FIELDS]
        tally = into.setdefault((listener, "" if cluster == _NOTHING else cluster), Tally())
        tally.requests += 1
        if who == _FROM_TARGET:
            tally.by_targets[int(status)] += 1
            if waited.isdigit():
                tally.waited[int(waited) / 1_000_000] += 1
        else:
            tally.by_balancer[int(status)] += 1


class Proxy(Protocol):
    """The proxy that writes the log."""

    folder: Path

    async def ask(self, path: str, timeout: float = 2.0, method: str = "GET") -> bytes:
        """Asks its admin interface. Raises ProxyError."""
        ...


class TrafficLog:
    """The log's reader. Not thread-safe."""

    def __init__(self, proxy: Proxy, largest: int = LARGEST) -> None:
        self._proxy = proxy
        self._largest = largest
        self._path = log_file(proxy.folder)
        self._old = self._path.with_suffix(".old")
        self._place = 0
        self._rest = b""

    async def read(self, into: Traffic) -> None:
        """Counts what was written since the last time; a log that has grown large is begun anew."""
        if self._old.exists():
            self._take(self._old, into)
            if self._path.exists():
                # The proxy has let go of the old one: what is in it now is all there will ever be.
                self._take(self._old, into)
                self._old.unlink()
                self._place, self._rest = 0, b""
            return
        self._take(self._path, into)
        if self._place > self._largest:
            self._path.rename(self._old)
            await self._reopen()

    async def _reopen(self) -> None:
        try:
            await self._proxy.ask("/reopen_logs", method="POST")
        except ProxyError:
            # It goes on writing to the old one, which is read as before and asked for again.
            self._old.rename(self._path)

    def _take(self, path: Path, into: Traffic) -> None:
        try:
            with path.open("rb") as log:
                log.seek(self._place)
                fresh = log.read()
        except FileNotFoundError:
            return
        self._place += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        count((line.decode("ascii", "replace") for line in lines), into)
