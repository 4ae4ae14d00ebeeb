"""`deployer plan`, `status` and `bake`, natively."""

from __future__ import annotations

import time

from deployer.backends.native import planning
from deployer.backends.native.baking import finished_image, has_way_back
from deployer.backends.native.connections import plan_remarks
from deployer.backends.native.host_check import look_at_hosts
from deployer.backends.native.kept import kept_instances
from deployer.backends.native.outline import steps_of, way_back_of
from deployer.backends.native.preparing import Prepared, check_settings, new_rollout, on_ground, prepare, survey
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.reports import FleetStatus, PlanReport
from deployer.model.errors import StateUnavailable
from deployer.model.service import count, is_done
from deployer.plugins.strategies import strategy_for
from deployer.state.store import Entry, Holder


def plan(settings: FleetSettings, options: RunOptions) -> PlanReport:
    """What a rollout would do; changes nothing. Raises DeployerError."""
    wiring = Wiring(settings)
    check_settings(wiring)
    with on_ground(wiring) as ground:
        ready = prepare(ground, options, new_rollout(wiring))
        ground.found.refuse_problems()
        seen = ready.look()
        if not all(is_done(seen, slot) for slot in seen.slots):
            planning.refuse_cut_off_work(settings, ground.found.balancers)
        strategy = strategy_for(ready.plan.strategy, ready.plan.strategy_settings, settings.folder)
        image = finished_image(ground, ready.plan, ready.package)
        way_back = way_back_of(ready.plan, target_exists=has_way_back(ground, ready.plan))
        return PlanReport(
            plan=ready.plan,
            releases=_releases(ready),
            proof=planning.proof_of(ready.answers, wiring.unnamed),
            in_service=count(seen).in_service,
            image=image,
            bundle=settings.release.bundle_of(ready.plan.goal.name, settings.folder),
            seconds_lower_bound=None,
            steps=(*steps_of(ready.plan, strategy, image), *way_back),
            warnings=(*_warnings(ready), *_from_hosts(ready)),
        )


def _releases(ready: Prepared) -> tuple[tuple[str, str | None], ...]:
    """Which release each instance serves."""
    members = planning.members(ready.ground.found.instances)
    return tuple((one.id, planning.release_of(one, ready.answers.get(one.id))) for one in members)


def _warnings(ready: Prepared) -> tuple[str, ...]:
    """What the user should know before starting: AppSpec remarks, and instances that did not answer."""
    bundle = ready.ground.wiring.bundle(ready.plan.goal.name) if ready.package is not None else None
    remarks = [*bundle.remarks] if bundle is not None else []
    silent = [ident for ident, answer in ready.answers.items() if not answer.ok]
    if silent:
        remarks.append(f"{', '.join(sorted(silent))} did not answer the health path")
    return (*remarks, *plan_remarks(ready.ground))


def _from_hosts(ready: Prepared) -> tuple[str, ...]:
    """What a rollout would be refused for, and what it would remark, after a look at the hosts."""
    check = look_at_hosts(ready)
    return (*(f"a rollout would be refused: {line}" for line in check.lasting), *check.doubtful)


def status(settings: FleetSettings) -> FleetStatus:
    """The fleet as it is now. Raises DeployerError."""
    return status_of(Wiring(settings))


def status_of(wiring: Wiring) -> FleetStatus:
    """The same, by what is wired together already."""
    settings = wiring.settings
    with on_ground(wiring) as ground:
        seen = survey(ground).look()
        warnings = [*ground.found.problems]
        held, last = None, None
        try:
            store = wiring.store()
            holder, entry = store.holder(settings.name), store.last_rollout(settings.name)
            held, last = (_held(holder) if holder else None), (_last(entry, holder) if entry else None)
            if holder is not None:
                # What a rollout that is under way has launched and not attached yet is not for others to end.
                warnings = [problem for problem in warnings if holder.rollout not in problem]
        except StateUnavailable as error:
            held = "nobody can tell whether it is held: its state cannot be read"
            warnings.append(str(error))
        kept = kept_instances(ground)
        return FleetStatus(settings.name, seen, count(seen).in_service, held, last, tuple(warnings), kept)


def _held(holder: Holder) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.since))
    return f"{holder.owner} since {since}: {holder.reason} (rollout {holder.rollout})"


def _last(entry: Entry, holder: Holder | None) -> str:
    ended = (
        "running"
        if holder is not None and holder.rollout == entry.rollout
        else "open; `deployer resume` goes on with it"
    )
    if entry.end is not None:
        ended = str(entry.end.data.get("status", "ended"))
    return f"{entry.rollout}: {ended}"
