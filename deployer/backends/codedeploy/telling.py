"""How a rollout went, as the document that every backend gives."""

from __future__ import annotations

from deployer.backends.codedeploy.carrying import End, Ended
from deployer.backends.codedeploy.following import Follower
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.engine.plan import RolloutPlan
from deployer.engine.result import Result, Status
from deployer.model.capacity import lower_bound
from deployer.model.errors import ExitCode
from deployer.model.policy import Method
from deployer.rollout.run import is_changed

_STATUS = {
    End.REACHED: Status.SUCCEEDED,
    End.ROLLED_BACK: Status.ROLLED_BACK,
    End.FAILED: Status.FAILED,
    End.INTERRUPTED: Status.INTERRUPTED,
    End.PAUSED: Status.INTERRUPTED,
}


def told(plan: RolloutPlan, follower: Follower, ended: Ended, seconds: float, *, resumed: bool) -> Result:
    """The result of a rollout that touched the fleet; one that was resumed has seen only a part of it."""
    tallies, ledger = follower.tallies, follower.ground.wiring.session.ledger
    new = _new(plan, follower)
    return Result(
        rollout=plan.rollout,
        fleet=plan.fleet,
        strategy=plan.strategy,
        method=plan.policy.method.value,
        backend=plan.backend,
        status=_STATUS[ended.end],
        release_from=plan.previous.name,
        release_to=plan.goal.name,
        image_from=plan.previous.image,
        image_to=plan.previous.image if plan.policy.method is Method.RELAUNCH else None,
        total=plan.limits.size,
        replaced=len(new),
        failed=sum(1 for facts in follower.memory.instances.values() if facts.failed is not None),
        old=tuple(slot.instance for slot in plan.slots),
        new=new,
        floor=plan.limits.floor,
        lowest=tallies.lowest,
        surge_limit=plan.limits.surge,
        surge_highest=max(tallies.highest_alive - plan.limits.size, 0),
        seconds_total=seconds,
        seconds_bake=0.0,
        seconds_rollout=seconds,
        seconds_lower_bound=_lower_bound(plan, follower) if ended.end is End.REACHED and not resumed else None,
        calls=ledger.by_operation,
        throttled=ledger.throttled,
        reason=ended.reason,
        exit_code=_code(ended),
        asks=ended.asks,
        where=follower.ground.wiring.where,
    )


def _new(plan: RolloutPlan, follower: Follower) -> tuple[str, ...]:
    """Whom this rollout brought to the goal."""
    seen = follower.seen
    if seen is None:
        return ()
    serving = (one for _, one in seen.instances() if one.alive and one.healthy_everywhere)
    return tuple(one.id for one in serving if seen.release_of(one) == plan.goal.name and is_changed(plan, one))


def _lower_bound(plan: RolloutPlan, follower: Follower) -> float | None:
    """The shortest time for these instances, each as fast as the fastest; green is made all at once."""
    slots = len(follower.seconds)
    if not slots:
        return None
    window = max(slots, 1) if plan.strategy == BLUE_GREEN else plan.limits.window
    return lower_bound(slots=slots, window=window, seconds_each=min(follower.seconds, default=0.0))


def _code(ended: Ended) -> ExitCode:
    match ended.end:
        case End.REACHED:
            return ExitCode.DONE
        case End.ROLLED_BACK:
            return ExitCode.FAILED_SAFE
        case End.FAILED:
            return ExitCode.FAILED_SAFE if ended.safe else ExitCode.NEEDS_A_HAND
        case End.INTERRUPTED:
            return ExitCode.INTERRUPTED
        case End.PAUSED:
            return ExitCode.PAUSED
