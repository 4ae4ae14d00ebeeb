"""`deployer plan`, with CodeDeploy: what would be made, and what would be deployed."""

from __future__ import annotations

from deployer.backends.codedeploy.deployed import wiring_of
from deployer.backends.codedeploy.revisions import is_uploaded, place_of
from deployer.backends.codedeploy.rolling_out import refuse_unfit, remarks, setup_of, wiring_for
from deployer.backends.codedeploy.setting_up import Setup
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.reports import FleetStatus, PlanReport
from deployer.model.errors import UsageError
from deployer.model.policy import Method
from deployer.model.service import count
from deployer.rollout import planner
from deployer.rollout.preparation import Prepared, new_rollout, on_ground, prepare
from deployer.rollout.status import status_of


def plan(settings: FleetSettings, options: RunOptions) -> PlanReport:
    """What a rollout would do; changes nothing. Raises DeployerError."""
    wiring = wiring_for(settings, StopRequest())
    with on_ground(wiring) as ground:
        ready = prepare(ground, options, new_rollout(wiring))
        setup = setup_of(ready.ground, ready.plan)
        refuse_unfit(ready, setup)
        relaunches = ready.plan.policy.method is Method.RELAUNCH
        return PlanReport(
            plan=ready.plan,
            releases=tuple(
                (one.id, planner.release_of(one, ready.answers.get(one.id)))
                for one in planner.members(ground.found.instances)
            ),
            proof=planner.proof_of(ready.answers, wiring.unnamed),
            in_service=count(ready.look()).in_service,
            image=ready.plan.previous.image if relaunches else None,
            bundle=settings.release.bundle_of(ready.plan.goal.name, settings.folder),
            seconds_lower_bound=None,
            steps=_steps(ready, setup),
            warnings=_warnings(settings, ready, setup),
            where=wiring.where,
            files=bundle.files if (bundle := wiring.bundle(ready.plan.goal.name)) is not None else None,
        )


def status(settings: FleetSettings) -> FleetStatus:
    """The fleet as it is now. Raises DeployerError."""
    return status_of(wiring_of(settings))


def _steps(ready: Prepared, setup: Setup) -> tuple[str, ...]:
    if ready.package is None:
        raise UsageError(f"release {ready.plan.goal.name} of fleet {ready.plan.fleet} has no bundle to deploy")
    wiring = ready.ground.wiring
    place = place_of(wiring.settings, ready.package)
    return tuple(setup.steps(upload=not is_uploaded(wiring, place), revision=place))


def _warnings(settings: FleetSettings, ready: Prepared, setup: Setup) -> tuple[str, ...]:
    bundle = ready.ground.wiring.bundle(ready.plan.goal.name)
    found = [*bundle.remarks] if bundle is not None else []
    return (*found, *remarks(ready.ground.wiring.settings, settings.rollout.method, setup))
