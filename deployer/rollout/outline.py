"""What a plan comes to, in sentences: its steps, and what the way back would cost at each of them. Pure."""

from __future__ import annotations

from deployer.engine.loop import Decides
from deployer.engine.plan import RolloutPlan
from deployer.model.errors import UsageError
from deployer.model.policy import Method, OnFailure
from deployer.model.text import in_words
from deployer.strategies.contract import Outlined


def steps_of(plan: RolloutPlan, strategy: Decides, image: str | None) -> tuple[str, ...]:
    """What would be done, in order; `image` is the finished image, None when one is baked first."""
    course = _course_of(plan, strategy) if isinstance(strategy, Outlined) else ()
    together = bool(course) and getattr(strategy, "shifts_traffic", False)
    match plan.policy.method:
        case Method.RELAUNCH:
            first = f"use image {image}" if image else f"bake an image of release {plan.goal.name} on a builder"
            return (first, *_pre_scale(plan), *course, *(() if together else _one_by_one(plan)), *_retire(plan))
        case Method.IN_PLACE:
            return (*_pre_scale(plan), *course, *_in_place(plan))


def _course_of(plan: RolloutPlan, strategy: Outlined) -> tuple[str, ...]:
    """In the strategy's own words. Raises UsageError for one that cannot say it."""
    try:
        return tuple(str(sentence) for sentence in strategy.outline(plan.limits.size))
    except (Exception, SystemExit) as error:  # a strategy may be anybody's, and raise anything
        raise UsageError(
            f"strategy {plan.strategy} failed when it was asked for its course ({in_words(error)}); mend its "
            "`outline`, or leave it out"
        ) from error


def _pre_scale(plan: RolloutPlan) -> tuple[str, ...]:
    if not plan.pre_scale:
        return ()
    return (f"scale the group out by {plan.pre_scale}, wait until they are in service; scale in again at the end",)


def _one_by_one(plan: RolloutPlan) -> tuple[str, ...]:
    limits, name = plan.limits, plan.goal.name
    kind = f" as {plan.goal.instance_type}" if plan.goal.instance_type is not None else ""
    order = (
        f"launch up to {limits.surge} extra{kind}, attach each when it answers with release {name}"
        if limits.surge
        else f"drain and terminate as the floor of {limits.floor} allows, then launch{kind} in their place"
    )
    return (order,)


def _retire(plan: RolloutPlan) -> tuple[str, ...]:
    return (*_soak(plan), f"{_drain(plan)}, terminate it")


def _drain(plan: RolloutPlan) -> str:
    """How one leaves service, by what gives it work."""
    work, quiet = plan.policy.work, f"{plan.policy.quiet:g} s"
    if work is None:
        return f"drain each predecessor until it is quiet for {quiet}"
    told = f"tell each predecessor to take no more work, wait until it has had no job for {quiet}"
    return f"{told} ({work.longest_job:g} s at most)"


def _in_place(plan: RolloutPlan) -> tuple[str, ...]:
    return (
        f"bring release {plan.goal.name} onto the host and check its digest there",
        f"{_drain(plan)}, up to {plan.limits.size - plan.limits.floor} at a time",
        "install as the AppSpec says, and attach when it answers with the release",
        *_soak(plan),
    )


def _soak(plan: RolloutPlan) -> tuple[str, ...]:
    watched = (f"watch each new one for {plan.policy.soak:g} s",) if plan.policy.soak else ()
    wanted = plan.policy.min_requests
    what = f"finished {wanted} jobs" if plan.policy.work is not None else f"answered {wanted} requests"
    return (*watched, f"wait until each new one has {what}") if wanted else watched


def way_back_of(plan: RolloutPlan, *, target_exists: bool) -> tuple[str, ...]:
    """What undoing would take while the rollout is under way, and after it (N6).

    `target_exists` says whether the image, or the bundle, of the previous release is there now.
    """
    if plan.policy.on_failure is OnFailure.STOP and not target_exists:
        return (f"there is no way back to release {plan.previous.name}: what it would need is gone",)
    target = plan.previous.image if plan.policy.method is Method.RELAUNCH else "its bundle"
    known = f"{target} is there" if target_exists else f"{target} is gone"
    limits, release = plan.limits, plan.previous.name
    kind = " on the types of before" if plan.goal.instance_type is not None else ""
    match plan.policy.method:
        case Method.RELAUNCH:
            width = f"as many at once as floor {limits.floor} and surge {limits.surge} allow"
            return (
                f"way back: release {release}{kind} ({known}); no second bake at any step",
                "before the first termination: attach what was drained, terminate what is new; no launch",
                f"with n of {limits.size} replaced: n launches from {target}, {width}",
            )
        case Method.IN_PLACE:
            width = f"{limits.size - limits.floor} at once"
            return (
                f"way back: release {release} ({known})",
                f"with n of {limits.size} updated: n installations, {width}",
            )
