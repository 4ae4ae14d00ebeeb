"""`deployer rollout` and `bake`, natively: hold the fleet, prepare, bake, turn the loop, tell how it went."""

from __future__ import annotations

from deployer.backends.native.carrier import Carrier
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Watch
from deployer.engine.reports import BakeReport
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.service import is_done
from deployer.rollout import planner
from deployer.rollout.claiming import refuse_claimed
from deployer.rollout.connections import unused_lame_duck
from deployer.rollout.hold import Mailbox, closing_the_last, holding, superseding
from deployer.rollout.host_check import look_at_hosts, refuse_unready
from deployer.rollout.images import bake_order, refuse_no_way_back
from deployer.rollout.inheritance import inherit_undos
from deployer.rollout.preparation import check_settings, new_rollout, on_ground, prepare
from deployer.rollout.signals import heeding_signals
from deployer.rollout.untouched import untouched
from deployer.rollout.wiring import Wiring


def rollout(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Rolls a release out and returns how it went. Raises DeployerError."""
    stop = StopRequest(settings.rollout.stop_within)
    wiring = Wiring(settings, stop=stop)
    check_settings(wiring)
    rollout_id, store, reason = new_rollout(wiring), wiring.store(), _purpose(settings)
    if options.supersede:
        superseding(wiring, store, rollout_id, watch)
    with heeding_signals(stop), holding(wiring, store, rollout_id, reason) as hold, on_ground(wiring) as ground:
        refuse_claimed(ground, store)
        ready = prepare(ground, options, rollout_id)
        seen = ready.look()
        if all(is_done(seen, slot) for slot in seen.slots):
            return untouched(wiring, ready.plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
        ground.found.refuse_problems()
        planner.refuse_cut_off_work(settings, ground.found.balancers)
        refuse_no_way_back(ground, ready.plan)
        check = look_at_hosts(ready)
        refuse_unready(check, ready.plan.goal.name)
        for remark in (*unused_lame_duck(settings, ground.found.balancers), *check.doubtful):
            watch(Noted(remark, warning=True))
        closing_the_last(wiring, store, hold.lease, rollout_id, watch)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        inherit_undos(wiring, store, rollout_id, journal, hold.lease, watch)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        return Carrier(ground, hold, journal, stop, watch, mailbox).start(ready.plan)


def bake(settings: FleetSettings, options: RunOptions, watch: Watch) -> BakeReport:
    """Makes the image of a release, or finds it, and rolls nothing out. Raises DeployerError."""
    stop = StopRequest(settings.rollout.stop_within)
    wiring = Wiring(settings, stop=stop)
    check_settings(wiring)
    rollout_id, store, reason = new_rollout(wiring), wiring.store(), f"bake of release {settings.goal()}"
    with heeding_signals(stop), holding(wiring, store, rollout_id, reason) as hold, on_ground(wiring) as ground:
        ready = prepare(ground, options, rollout_id)
        order = bake_order(ground, ready.plan, ready.package)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        baked = Carrier(ground, hold, journal, stop, watch, mailbox).bake(ready.plan)
        return BakeReport(
            image=baked.id,
            name=baked.name,
            release=ready.plan.goal.name,
            digest=ready.plan.goal.digest,
            source_image=order.base_image,
            snapshots=baked.snapshots,
            seconds=baked.seconds,
            reused=baked.adopted,
        )


def _purpose(settings: FleetSettings) -> str:
    """What the fleet is held for."""
    kind = settings.rollout.instance_type
    if kind is None:
        return f"rollout to release {settings.goal()}"
    named = f" and release {settings.release.name}" if settings.release.name is not None else ""
    return f"rollout to instance type {kind}{named}"
