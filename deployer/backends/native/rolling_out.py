"""`deployer rollout`, natively: hold the fleet, prepare, bake, turn the loop, tell how it went."""

from __future__ import annotations

from deployer.backends.native.baking import refuse_no_way_back
from deployer.backends.native.carrying import Carrier, untouched
from deployer.backends.native.holding import Mailbox, holding, superseding
from deployer.backends.native.preparing import check_settings, new_rollout, on_ground, prepare
from deployer.backends.native.signals import heeding_signals
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.service import is_done


def rollout(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Rolls a release out and returns how it went. Raises DeployerError."""
    stop = StopRequest()
    wiring = Wiring(settings, stop=stop)
    check_settings(wiring)
    rollout_id, store, reason = new_rollout(wiring), wiring.store(), _purpose(settings)
    if options.supersede:
        superseding(wiring, store, rollout_id, watch)
    with heeding_signals(stop), holding(wiring, store, rollout_id, reason) as hold, on_ground(wiring) as ground:
        ready = prepare(ground, options, rollout_id)
        seen = ready.look()
        if all(is_done(seen, slot) for slot in seen.slots):
            return untouched(wiring, ready.plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
        ground.found.refuse_problems()
        refuse_no_way_back(ground, ready.plan)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        return Carrier(ground, hold, journal, stop, watch, mailbox).start(ready.plan)


def _purpose(settings: FleetSettings) -> str:
    """What the fleet is held for."""
    kind = settings.rollout.instance_type
    if kind is None:
        return f"rollout to release {settings.goal()}"
    named = f" and release {settings.release.name}" if settings.release.name is not None else ""
    return f"rollout to instance type {kind}{named}"
