"""`deployer plan`, natively."""

from __future__ import annotations

from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.reports import PlanReport
from deployer.model.service import count, is_done
from deployer.plugins.strategies import strategy_for
from deployer.remote.bundle.bundle import Bundle
from deployer.rollout import planner
from deployer.rollout.connections import plan_remarks
from deployer.rollout.host_check import look_at_hosts
from deployer.rollout.images import finished_image, has_way_back
from deployer.rollout.outline import steps_of, way_back_of
from deployer.rollout.preparation import Prepared, check_settings, new_rollout, on_ground, prepare
from deployer.rollout.wiring import Wiring


def plan(settings: FleetSettings, options: RunOptions) -> PlanReport:
    """What a rollout would do; changes nothing. Raises DeployerError."""
    wiring = Wiring(settings)
    check_settings(wiring)
    with on_ground(wiring) as ground:
        ready = prepare(ground, options, new_rollout(wiring))
        ground.found.refuse_problems()
        seen = ready.look()
        if not all(is_done(seen, slot) for slot in seen.slots):
            planner.refuse_cut_off_work(settings, ground.found.balancers)
        strategy = strategy_for(ready.plan.strategy, ready.plan.strategy_settings, settings.folder)
        image = finished_image(ground, ready.plan, ready.package)
        way_back = way_back_of(ready.plan, target_exists=has_way_back(ground, ready.plan))
        return PlanReport(
            plan=ready.plan,
            releases=_releases(ready),
            proof=planner.proof_of(ready.answers, wiring.unnamed),
            in_service=count(seen).in_service,
            image=image,
            bundle=settings.release.bundle_of(ready.plan.goal.name, settings.folder),
            seconds_lower_bound=None,
            steps=(*steps_of(ready.plan, strategy, image), *way_back),
            warnings=(*_warnings(ready), *_from_hosts(ready)),
            where=wiring.where,
            files=bundle.files if (bundle := _bundle(ready)) is not None else None,
        )


def _releases(ready: Prepared) -> tuple[tuple[str, str | None], ...]:
    """Which release each instance serves."""
    members = planner.members(ready.ground.found.instances)
    return tuple((one.id, planner.release_of(one, ready.answers.get(one.id))) for one in members)


def _bundle(ready: Prepared) -> Bundle | None:
    return ready.ground.wiring.bundle(ready.plan.goal.name) if ready.package is not None else None


def _warnings(ready: Prepared) -> tuple[str, ...]:
    """What the user should know before starting: AppSpec remarks, and instances that did not answer."""
    bundle = _bundle(ready)
    remarks = [*bundle.remarks] if bundle is not None else []
    silent = [ident for ident, answer in ready.answers.items() if not answer.ok]
    if silent:
        remarks.append(f"{', '.join(sorted(silent))} did not answer the health path")
    return (*remarks, *plan_remarks(ready.ground))


def _from_hosts(ready: Prepared) -> tuple[str, ...]:
    """What a rollout would be refused for, and what it would remark, after a look at the hosts."""
    check = look_at_hosts(ready)
    return (*(f"a rollout would be refused: {line}" for line in check.lasting), *check.doubtful)
