"""The arithmetic of minimum healthy hosts, as the CodeDeploy user guide works it out ("Instance health").

Pure: hosts in, numbers out. A host is healthy when its latest deployment did not fail; one that is being
deployed to is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


class Measure(Enum):
    """What the number of a minimum means."""

    HOST_COUNT = "HOST_COUNT"
    FLEET_PERCENT = "FLEET_PERCENT"
    ALL_BUT_ONE = "ALL_BUT_ONE"
    """CodeDeployDefault.OneAtATime, which no count or percentage can say for every fleet."""


@dataclass(frozen=True)
class Minimum:
    """A minimum of healthy hosts."""

    measure: Measure
    value: int = 0

    def of(self, hosts: int) -> int:
        """In hosts; a percentage rounds up: 40 % of 9 → 4, 95 % of 10 → 10."""
        match self.measure:
            case Measure.HOST_COUNT:
                return self.value
            case Measure.FLEET_PERCENT:
                return -(-self.value * hosts // 100)
            case Measure.ALL_BUT_ONE:
                return max(hosts - 1, 0)


class Standing(Enum):
    """Where a host is in a deployment."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class HostHealth:
    """One host. `before` is whether it was healthy when the deployment began."""

    id: str
    zone: str
    before: bool
    standing: Standing

    @property
    def healthy(self) -> bool:
        """Whether it counts towards the minimum now."""
        match self.standing:
            case Standing.SUCCEEDED:
                return True
            case Standing.RUNNING | Standing.FAILED:
                return False
            case Standing.PENDING | Standing.SKIPPED:
                return self.before


def leaves_room(least: int, hosts: int) -> bool:
    """Whether any host may ever be taken: a minimum of the whole fleet fails at once."""
    return hosts > 0 and least < hosts


def next_hosts(order: Sequence[str], hosts: Iterable[HostHealth], least: int) -> list[str]:
    """Which of the pending ones, in this order, may begin now: at most N - minimum at once, and never so that
    fewer than the minimum stay healthy. A host that is not healthy anyway costs nothing.
    """
    known = {host.id: host for host in hosts}
    running = sum(1 for host in known.values() if host.standing is Standing.RUNNING)
    healthy = sum(1 for host in known.values() if host.healthy)
    chosen: list[str] = []
    for name in order:
        host = known[name]
        if host.standing is not Standing.PENDING:
            continue
        if running >= len(known) - least:
            break
        if host.healthy:
            if healthy - 1 < least:
                continue
            healthy -= 1
        running += 1
        chosen.append(name)
    return chosen


def succeeded(hosts: Iterable[HostHealth], least: int) -> bool:
    """Whether a deployment that is through has succeeded: on one host at least, with the minimum healthy.

    So a failure on the last host of CodeDeployDefault.OneAtATime is put up with, except in a group of one.
    """
    known = list(hosts)
    return any(h.standing is Standing.SUCCEEDED for h in known) and sum(h.healthy for h in known) >= least
