"""Bugs of the past, put back into a copy of the sources: the suite must see each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.mutants.copies import copy_sources, without


@dataclass(frozen=True)
class Bug:
    """One edit, and the words of the cells that must lose requests by it."""

    what: str
    path: str
    guard: str
    hole: str
    cells: tuple[str, ...]


BUGS: dict[str, Bug] = {
    "half-closed": Bug(
        "a connection that its client has half-closed counts as none",
        "deployer/remote/sockets.py",
        "IN_USE = frozenset({ESTABLISHED, SYN_RECV, FIN_WAIT_1, CLOSE_WAIT, LAST_ACK, CLOSING})\n",
        "IN_USE = frozenset({ESTABLISHED, SYN_RECV, FIN_WAIT_1})\n",
        ("nlb", "half-close", "relaunch", "health"),
    ),
    "one-port": Bug(
        "only the port that is asked for health is watched, whatever port the balancers send to",
        "deployer/engine/registrations.py",
        "            found |= known or balancer.ports\n    return found\n",
        "            found |= known or balancer.ports\n    return frozenset()\n",
        ("alb,nlb", "slow", "relaunch", "other"),
    ),
}


def put_back(bug: Bug, folder: Path) -> Path:
    """Copies the sources into the new folder, with the bug in them; returns the folder."""
    copy = copy_sources(folder)
    path = copy / bug.path
    path.write_text(without(path.read_text(), bug.guard, bug.hole, bug.path))
    return copy
