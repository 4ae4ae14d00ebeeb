"""Holding a fleet for one run, and when it is let go of again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.backends.native.wiring import Wiring
from deployer.engine.ports import Lease
from deployer.model.errors import DeployerError
from deployer.state.owner import this_process
from deployer.state.store import DEFAULT_TTL, StateStore


@dataclass
class Hold:
    """A lease, and whether it is to be kept when the run ends."""

    lease: Lease
    keep: bool = False
    """Set when the run ends in the middle of things: only `resume` or `abort` may have the fleet then."""


@contextmanager
def holding(wiring: Wiring, store: StateStore, rollout_id: str, reason: str) -> Iterator[Hold]:
    """Holds the fleet for a rollout. Raises FleetHeld when somebody else has it.

    The fleet is let go of at an orderly end, an error of ours that we understand among them. What is not
    understood may have left things half done, so then the lease stays, and points to `resume`.
    """
    fleet, owner = wiring.settings.name, this_process(wiring.environment)
    hold = Hold(store.acquire(fleet, owner, reason, rollout_id, DEFAULT_TTL, wiring.clock))
    try:
        yield hold
    except DeployerError:
        if not hold.keep:
            hold.lease.release()
        raise
    if not hold.keep:
        hold.lease.release()
