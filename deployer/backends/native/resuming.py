"""`deployer resume`, `abort` and `rollback`, natively: going on, turning back, and going back later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deployer.aws.images import AwsImages
from deployer.backends.native import planning
from deployer.backends.native.baking import refuse_no_way_back
from deployer.backends.native.carrying import Carrier, untouched
from deployer.backends.native.holding import Mailbox, closing_the_last, holding
from deployer.backends.native.hooked import Answers
from deployer.backends.native.preparing import Ground, make_plan, new_rollout, on_ground, pinned, survey
from deployer.backends.native.signals import heeding_signals
from deployer.backends.native.taking_up import TakenUp, taking_up
from deployer.backends.native.verdicts import refuse_sick
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.replay import has_changed_the_fleet, pinned_plan
from deployer.engine.result import Result, Status
from deployer.model.capacity import Limits
from deployer.model.errors import ExitCode, Infeasible, PreflightRefused
from deployer.model.fleet import Instance, Release, Tag
from deployer.model.policy import Method
from deployer.model.service import is_done
from deployer.plugins.strategies import strategy_of
from deployer.plugins.uses import refuse_wrong_plugins
from deployer.state.store import Entry, StateStore

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
            refuse_other_backend(taken.plan, "native")
            wiring.as_planned(taken.plan)
            if turn_back and not has_changed_the_fleet(taken.journal.records()):
                with on_ground(wiring) as ground:
                    return never_changed(ground, taken)
            answers = Answers(options.hooks_ran, options.hooks_again)
            memory = taken.memory(turn_back=turn_back)
            strategy_of(taken.plan, memory, settings.folder)  # refused here, nothing has been asked of AWS
            with on_ground(wiring) as ground:
                mailbox = taken.mailbox(options)
                carrier = Carrier(ground, taken.hold, taken.journal, stop, watch, mailbox, answers)
                return carrier.go_on(taken.plan, memory)
    return nothing_open(wiring, store, entry)


def never_changed(ground: Ground, taken: TakenUp) -> Result:
    """The end of a rollout that is aborted before it changed anything: there is no way back, and no hook of one."""
    plan, wiring = taken.plan, taken.wiring
    result = replace(
        untouched(wiring, plan, ground.look(plan, ground.ask()), Status.NOTHING_TO_DO, ExitCode.DONE),
        backend=plan.backend,
        release_from=plan.previous.name,
        image_to=plan.goal.image,
        new=(),
        reason="aborted before anything of the fleet was changed",
    )
    taken.journal.append("end", plan.fleet, result.document())
    return result


def refuse_other_backend(plan: RolloutPlan, ours: str) -> None:
    """Raises PreflightRefused for a rollout that another backend began."""
    if plan.backend != ours:
        raise PreflightRefused(
            f"rollout {plan.rollout} was begun with the backend {plan.backend}; go on with it by "
            f"`--backend {plan.backend}`, or set backend in [fleet.{plan.fleet}.rollout]"
        )


def nothing_open(wiring: Wiring, store: StateStore, entry: Entry | None) -> Result:
    """No rollout is open. A lease that a dead holder left behind is freed on the way."""
    holder = store.holder(wiring.settings.name)
    if holder is not None:
        with holding(wiring, store, holder.rollout, "resumed"):
            pass
    with on_ground(wiring) as ground:
        ready = survey(ground, entry.rollout if entry is not None else "")
        return untouched(wiring, ready.plan, ready.look(), Status.NOTHING_TO_DO, ExitCode.DONE)


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
        planning.refuse_unfit(settings, ground.found.instances)
        ground.found.refuse_undriven()
        goal = target_of(ground, store, to)
        plan = _plan_back(ground, options, rollout_id, goal)
        answers = ground.ask()
        seen = ground.look(plan, answers)
        if all(is_done(seen, slot) for slot in seen.slots):
            closing_the_last(wiring, store, hold.lease, rollout_id, watch)
            return untouched(wiring, plan, seen, Status.NOTHING_TO_DO, ExitCode.DONE)
        planning.refuse_cut_off_work(settings, ground.found.balancers)
        if not options.even_if_sick:
            refuse_sick(store, settings.name, plan.goal)
        _refuse_missing(ground, plan)
        closing_the_last(wiring, store, hold.lease, rollout_id, watch)
        journal = store.open_rollout(settings.name, rollout_id, hold.lease, wiring.clock)
        mailbox = Mailbox(store, settings.name, rollout_id, stop, wiring.clock)
        return Carrier(ground, hold, journal, stop, watch, mailbox).start(plan)


def _plan_back(ground: Ground, options: RunOptions, rollout_id: str, goal: Release) -> RolloutPlan:
    settings, found = ground.wiring.settings, ground.found
    spare, limits = _room_back(settings, found.instances)
    answers = ground.ask()
    previous = pinned(ground, answers, planning.previous_release(found.instances, answers, goal))
    plan = make_plan(ground, options, rollout_id, goal, previous, replace(limits, window=limits.size), spare)
    # What is gone back to has proven itself, and may be wanted at a time when nobody asks for anything.
    policy = replace(plan.policy, min_requests=0)
    return replace(plan, strategy=ALL_AT_ONCE, strategy_settings={}, policy=policy)


def _room_back(settings: FleetSettings, instances: Sequence[Instance]) -> tuple[int, Limits]:
    """The way back does not wait for a group to scale out, with more of what is to go, unless it must."""
    try:
        return 0, planning.limits_of(settings, instances)
    except Infeasible:
        spare = planning.pre_scale_of(settings, instances)
        return spare, planning.limits_of(settings, instances, spare)


def target_of(ground: Ground, store: StateStore, to: str | None) -> Release:
    """The release to go back to, with its image where the method needs one.

    Without `to` it is the one before the rollout that is open, if one is, else the one before what most serve.
    """
    settings = ground.wiring.settings
    known = _known_releases(store, settings.name)
    running = planning.previous_release(ground.found.instances, ground.ask(), Release(""))
    in_place = settings.rollout.method is Method.IN_PLACE
    now = running.name, None if in_place else planning.type_of(planning.members(ground.found.instances))
    found = next((one for one in known if (one.name == to if to is not None else _differs(one, *now))), None)
    if to is None:
        found = _before_the_open_one(store, settings.name) or found
    name = to or (found.name if found is not None else None)
    if name is None:
        raise PreflightRefused(
            f"nothing tells which release of fleet {settings.name} came before {running.name}; name it with --to"
        )
    if in_place:
        bundle = ground.wiring.bundle(name)
        return Release(name, bundle.package.digest if bundle is not None else found.digest if found else "")
    if found is not None and found.image is not None:
        return found
    return _from_images(ground, name)


def _before_the_open_one(store: StateStore, fleet: str) -> Release | None:
    last = store.last_rollout(fleet)
    if last is None or last.finished or last.plan is None:
        return None
    plan = pinned_plan([last.plan])
    return plan.previous if plan is not None else None


def _differs(release: Release, name: str, kind: str | None) -> bool:
    """Whether a release is another than the one called `name`, or is to run on another type than `kind`."""
    return release.name != name or (kind is not None and release.instance_type not in (None, kind))


def _from_images(ground: Ground, name: str) -> Release:
    images = AwsImages(ground.wiring.session).images(ground.wiring.settings.name)
    fitting = [image for image in images if image.tags.get("deployer:release") == name]
    if not fitting:
        raise PreflightRefused(
            f"there is no image of release {name} for fleet {ground.wiring.settings.name}; roll it out with "
            f"`deployer rollout --release {name}`, which bakes one"
        )
    newest = max(fitting, key=lambda image: image.created)
    return Release(name, newest.tags.get("deployer:digest", ""), newest.id)


def _known_releases(store: StateStore, fleet: str) -> Sequence[Release]:
    """The releases that the journal knows to have been in service, the latest first."""
    known: list[Release] = []
    for entry in store.rollouts(fleet, 20):
        plan = pinned_plan(store.read_rollout(fleet, entry.rollout))
        if plan is None or entry.end is None:
            continue
        reached = entry.end.data.get("status") == Status.SUCCEEDED.value
        known += [plan.goal, plan.previous] if reached else [plan.previous]
    return known


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
