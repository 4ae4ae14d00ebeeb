"""`deployer resume`, `abort` and `rollback`, with CodeDeploy."""

from __future__ import annotations

from dataclasses import replace

from deployer.backends.codedeploy.deployed import wiring_of
from deployer.backends.codedeploy.rolling_out import Running, rollout, setup_of, wiring_for
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.replay import has_changed_the_fleet, pinned_plan
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode, UsageError
from deployer.model.policy import Method
from deployer.plugins.uses import refuse_wrong_plugins
from deployer.rollout.earlier_releases import target_of
from deployer.rollout.hooks.around import Answers
from deployer.rollout.preparation import on_ground
from deployer.rollout.signals import heeding_signals
from deployer.rollout.takeover import never_changed, nothing_open, refuse_other_backend, taking_up
from deployer.rollout.verdicts import refuse_sick


def resume(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Goes on with the fleet's last rollout where it was cut short, as it was planned. Raises DeployerError."""
    return _go_on(settings, options, watch, turn_back=False)


def abort(settings: FleetSettings, watch: Watch) -> Result:
    """Turns the fleet's last rollout round, if it was cut short, and deploys the release before."""
    result = _go_on(settings, RunOptions(), watch, turn_back=True)
    return replace(result, exit_code=ExitCode.DONE) if result.status is Status.ROLLED_BACK else result


def rollback(settings: FleetSettings, options: RunOptions, watch: Watch, to: str | None = None) -> Result:
    """Deploys the release before, or `to`. Raises PreflightRefused when nothing tells which one that is."""
    refuse_wrong_plugins(settings)
    in_place = replace(settings, rollout=replace(settings.rollout, method=Method.IN_PLACE))
    wiring = wiring_of(in_place)
    with on_ground(wiring) as ground:
        store = wiring.store()
        goal = target_of(ground, store, to)
        if not options.even_if_sick:
            refuse_sick(store, settings.name, goal)
    return rollout(_releasing(settings, goal.name), options, watch)


def _releasing(settings: FleetSettings, release: str) -> FleetSettings:
    return replace(settings, release=replace(settings.release, name=release))


def _go_on(settings: FleetSettings, options: RunOptions, watch: Watch, *, turn_back: bool) -> Result:
    stop = StopRequest(settings.rollout.stop_within)
    wiring = wiring_of(settings, stop)
    store = wiring.store()
    entry = store.last_rollout(settings.name)
    if entry is None or entry.finished or entry.plan is None:
        return nothing_open(wiring, store, entry)
    plan = pinned_plan([entry.plan])
    if plan is None:
        raise UsageError(f"the journal of rollout {entry.rollout} begins without a plan")
    refuse_other_backend(plan, settings.rollout.backend)
    wiring = wiring_for(_as_planned(settings, plan), stop)
    with heeding_signals(stop), taking_up(wiring, store, entry.rollout) as taken:
        if taken is not None:
            answers = Answers(options.hooks_ran, options.hooks_again)
            with on_ground(wiring) as ground:
                if turn_back and not has_changed_the_fleet(taken.journal.records()):
                    return never_changed(ground, taken, watch)
                memory, mailbox = taken.memory(turn_back=turn_back), taken.mailbox(options)
                method = plan.policy.method
                run = Running(ground, taken.hold, taken.journal, stop, watch, mailbox, method, answers)
                return run.go_on(plan, setup_of(ground, plan), memory)
    return nothing_open(wiring, store, entry)


def _as_planned(settings: FleetSettings, plan: RolloutPlan) -> FleetSettings:
    """The settings with what the plan is pinned to, whatever the file and the command line say now.

    A strategy's own settings do nothing here: a deployment goes by the strategy's name.
    """
    named = _releasing(settings, plan.goal.name)
    return replace(named, rollout=replace(named.rollout, strategy=plan.strategy, settings={}))
