"""`deployer plan`, `status` and `bake`, natively."""

from __future__ import annotations

import time

from deployer.backends.native import planning
from deployer.backends.native.baking import bake_order, bake_release, finished_image
from deployer.backends.native.preparing import Prepared, prepared
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.reports import BakeReport, FleetStatus, PlanReport
from deployer.model.errors import StateUnavailable
from deployer.model.service import count
from deployer.state.owner import this_process
from deployer.state.store import DEFAULT_TTL, Entry, Holder


def plan(settings: FleetSettings, options: RunOptions) -> PlanReport:
    """What a rollout would do; changes nothing. Raises DeployerError."""
    with prepared(Wiring(settings), options) as ready:
        ready.found.refuse_problems()
        return PlanReport(
            plan=ready.plan,
            releases=_releases(ready),
            proof=planning.proof_of(ready.answers),
            in_service=count(ready.look()).in_service,
            image=finished_image(ready),
            bundle=settings.release.bundle_of(ready.plan.goal.name, settings.folder),
            seconds_lower_bound=0.0,
            warnings=_warnings(ready),
        )


def _releases(ready: Prepared) -> tuple[tuple[str, str | None], ...]:
    """Which release each instance serves."""
    members = planning.members(ready.found.instances)
    return tuple((one.id, planning.release_of(one, ready.answers.get(one.id))) for one in members)


def _warnings(ready: Prepared) -> tuple[str, ...]:
    """What the user should know before starting: AppSpec remarks, and instances that did not answer."""
    bundle = ready.wiring.bundle(ready.plan.goal.name)
    remarks = [str(problem) for problem in bundle.warnings] if bundle is not None else []
    silent = [ident for ident, answer in ready.answers.items() if not answer.ok]
    if silent:
        remarks.append(f"{', '.join(sorted(silent))} did not answer the health path")
    return tuple(remarks)


def status(settings: FleetSettings) -> FleetStatus:
    """The fleet as it is now. Raises DeployerError."""
    wiring = Wiring(settings)
    with prepared(wiring, RunOptions()) as ready:
        seen = ready.look()
        warnings = [*ready.found.problems]
        held, last = None, None
        try:
            store = wiring.store()
            holder, entry = store.holder(settings.name), store.last_rollout(settings.name)
            held, last = (_held(holder) if holder else None), (_last(entry) if entry else None)
        except StateUnavailable as error:
            warnings.append(str(error))
        return FleetStatus(settings.name, seen, count(seen).in_service, held, last, tuple(warnings))


def _held(holder: Holder) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.since))
    return f"{holder.owner} since {since}: {holder.reason} (rollout {holder.rollout})"


def _last(entry: Entry) -> str:
    ended = entry.end.data.get("status", "ended") if entry.end is not None else "running, or interrupted"
    return f"{entry.rollout}: {ended}"


def bake(settings: FleetSettings, options: RunOptions, watch: Watch) -> BakeReport:
    """Makes the image of a release, or finds it. Raises DeployerError."""
    wiring = Wiring(settings)
    with prepared(wiring, options) as ready:
        order = bake_order(ready)
        store = wiring.store()
        owner = this_process(wiring.environment)
        reason = f"bake of release {ready.plan.goal.name}"
        lease = store.acquire(settings.name, owner, reason, ready.plan.rollout, DEFAULT_TTL, wiring.clock)
        try:
            journal = store.open_rollout(settings.name, ready.plan.rollout, lease, wiring.clock)
            baked = bake_release(ready, journal, lease, watch, lambda: False)
            journal.append("end", settings.name, {"status": "baked", "image": baked.id})
        finally:
            lease.release()
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
