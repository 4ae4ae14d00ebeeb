"""`deployer rollout`, natively: hold the fleet, prepare, bake, turn the loop, tell how it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deployer.backends.native.baking import refuse_no_way_back
from deployer.backends.native.carrying import Carrier, nothing_to_do
from deployer.backends.native.preparing import check_settings, new_rollout, on_ground, prepare
from deployer.backends.native.signals import heeding_signals
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.ports import Lease
from deployer.engine.result import Result
from deployer.model.service import is_done
from deployer.state.owner import this_process
from deployer.state.store import DEFAULT_TTL, StateStore


def rollout(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Rolls a release out and returns how it went. Raises DeployerError."""
    stop = StopRequest()
    wiring = Wiring(settings, stop=stop)
    check_settings(wiring)
    rollout_id, store, reason = new_rollout(wiring), wiring.store(), f"rollout to release {settings.goal()}"
    with heeding_signals(stop), holding(wiring, store, rollout_id, reason) as lease, on_ground(wiring) as ground:
        ready = prepare(ground, options, rollout_id)
        seen = ready.look()
        if all(is_done(seen, slot) for slot in seen.slots):
            return nothing_to_do(wiring, ready.plan, seen)
        ground.found.refuse_problems()
        refuse_no_way_back(ground, ready.plan)
        journal = store.open_rollout(settings.name, rollout_id, lease, wiring.clock)
        return Carrier(ground, lease, journal, stop, watch).start(ready.plan)


@contextmanager
def holding(wiring: Wiring, store: StateStore, rollout_id: str, reason: str) -> Iterator[Lease]:
    """Holds the fleet for a rollout, and lets it go unless the rollout was cut short and is to be resumed.

    Raises FleetHeld when somebody else has it.
    """
    fleet, owner = wiring.settings.name, this_process(wiring.environment)
    lease = store.acquire(fleet, owner, reason, rollout_id, DEFAULT_TTL, wiring.clock)
    try:
        yield lease
    finally:
        entry = store.last_rollout(fleet)
        if entry is None or entry.rollout != rollout_id or entry.finished:
            lease.release()
