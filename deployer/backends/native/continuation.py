"""`deployer resume`, `abort` and `rollback`, natively: going on, turning back, and going back later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deployer.aws.images import AwsImages
from deployer.backends.native.carrier import Carrier
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.replay import has_changed_the_fleet
from deployer.engine.result import Result, Status
from deployer.model.capacity import Limits
from deployer.model.errors import ExitCode, Infeasible, PreflightRefused
from deployer.model.fleet import Instance, Release, Tag
from deployer.model.service import is_done
from deployer.plugins.strategies import strategy_of
from deployer.plugins.uses import refuse_wrong_plugins
from deployer.rollout import planner
from deployer.rollout.claiming import refuse_claimed
from deployer.rollout.earlier_releases import target_of
from deployer.rollout.hold import Mailbox, closing_the_last, holding
from deployer.rollout.hooks.around import Answers
from deployer.rollout.images import refuse_no_way_back
from deployer.rollout.inheritance import inherit_undos
from deployer.rollout.preparation import Ground, make_plan, new_rollout, on_ground, pinned
from deployer.rollout.signals import heeding_signals
from deployer.rollout.takeover import never_changed, nothing_open, refuse_other_backend, taking_up
from deployer.rollout.untouched import untouched
from deployer.rollout.verdicts import refuse_sick
from deployer.rollout.wiring import Wiring

ALL_AT_ONCE = "all-at-once"
"""The strategy of a rollback: every slot at once, as far as floor and surge allow."""


def resume(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Goes on with the fleet's last rollout where it was cut short, as it was planned. Raises DeployerError."""
    return _go_on(settings, options, watch, turn_back=False)


def abort(settings: FleetSettings, watch: Watch) -> Result:
    """Turns the fleet's last rollout round, if it was cut short, and brings every slot back."""
    result = _go_on(settings, RunOptions(), watch, turn_back=True)
    return replace(result, exit_code=ExitCode.DONE) if result.status is Status.ROLLED_BACK else result


def _go_on(settings: FleetSettings, options: RunOptions, watch: Watch, *, turn_back: bool) -> Result:
    stop = StopRequest(settings.rollout.stop_within)
    wiring = Wiring(settings, stop=stop)
    store = wiring.store()
    entry = store.last_rollout(settings.name)
    if entry is None or entry.finished:
        return nothing_open(wiring, store, entry)
    with heeding_signals(stop), taking_up(wiring, store, entry.rollout) as taken:
        if taken is not None:
            refuse_other_backend(taken.plan, settings.rollout.backend)
            wiring.as_planned(taken.plan)
            if turn_back and not has_changed_the_fleet(taken.journal.records()):
                with on_ground(wiring) as ground:
                    return never_changed(ground, taken, watch)
            answers = Answers(options.hooks_ran, options.hooks_again)
            memory = taken.memory(turn_back=turn_back)
            strategy_of(taken.plan, memory, settings.folder)  # refused here, nothing has been asked of AWS
            with on_ground(wiring) as ground:
                mailbox = taken.mailbox(options)
                carrier = Carrier(ground, taken.hold, taken.journal, stop, watch, mailbox, answers)
                return carrier.go_on(taken.plan, memory)
    return nothing_open(wiring, store, entry)


def rollback(settings: FleetSettings, options: RunOptions, watch: Watch, to: str | None = None) -> Result:
    """Brings the fleet back to the release before, or to `to`: no bake, and wider than the way forward.

    Which release that was comes from the journal, else from the images that were baked for the fleet, so it
    works when the machine that rolled out is gone. Raises PreflightRefused when the target is gone or unknown.
    """
    stop = StopRequest(settings.rollout.stop_within)
    refuse_wrong_plugins(settings)
    wiring = Wiring(settings, stop=stop)
    rollout_id, store = new_rollout(wiring), wiring.store()
    with (
        heeding_signals(stop),
        holding(wiring, store, rollout_id, "rollback") as hold,
        on_ground(wiring) as ground,
    ):
        refuse_claimed(ground, store)
        planner.refuse_unfit(settings, ground.found.instances)
        ground.found.refuse_undriven()
        goal = target_of(ground, store, to)
        plan = _plan_back(ground, options, rollout_id, goal)
        answers = ground.ask()
        seen = ground.look(plan, answers)
        if all(is_done(seen, slot) for slot in seen.slots):
            closing_the_last(wiring, store, hold.lease, rollout_id, watch)
            return untouched(wiring, plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
        planner.refuse_cut_off_work(settings, ground.found.balancers)
        if not options.even_if_sick:
            refuse_sick(store, settings.name, plan.goal)
        _refuse_missing(ground, plan)
        closing_the_last(wiring, store, hold.lease, rollout_id, watch)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        inherit_undos(wiring, store, rollout_id, journal, hold.lease, watch)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        return Carrier(ground, hold, journal, stop, watch, mailbox).start(plan)


def _plan_back(ground: Ground, options: RunOptions, rollout_id: str, goal: Release) -> RolloutPlan:
    settings, found = ground.wiring.settings, ground.found
    spare, limits = _room_back(settings, found.instances)
    answers = ground.ask()
    previous = pinned(ground, answers, planner.previous_release(found.instances, answers, goal))
    plan = make_plan(
        ground, options, rollout_id, goal, previous, replace(limits, window=limits.size), answers, spare
    )
    # What is gone back to has proven itself, and may be wanted at a time when nobody asks for anything.
    policy = replace(plan.policy, min_requests=0)
    return replace(plan, strategy=ALL_AT_ONCE, strategy_settings={}, policy=policy)


def _room_back(settings: FleetSettings, instances: Sequence[Instance]) -> tuple[int, Limits]:
    """The way back does not wait for a group to scale out, with more of what is to go, unless it must."""
    try:
        return 0, planner.limits_of(settings, instances)
    except Infeasible:
        spare = planner.pre_scale_of(settings, instances)
        return spare, planner.limits_of(settings, instances, spare)


def _refuse_missing(ground: Ground, plan: RolloutPlan) -> None:
    """A rollback onto something that is gone is refused before anything is touched (fault 33)."""
    goal = plan.goal
    if goal.image is not None:
        image = AwsImages(ground.wiring.session).launchable(goal.image)
        held = image.tags.get(Tag.RELEASE, goal.name) if image is not None else None
        if held != goal.name:
            what = "cannot be launched any more" if held is None else f"holds release {held}"
            raise PreflightRefused(
                f"image {goal.image}, on which release {goal.name} ran, {what}; "
                f"`deployer rollout --release {goal.name}` bakes one of it"
            )
    refuse_no_way_back(ground, plan)
