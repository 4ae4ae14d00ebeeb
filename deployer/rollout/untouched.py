"""The result of a rollout that changed nothing of its fleet."""

from __future__ import annotations

from deployer.engine.plan import RolloutPlan
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.observation import Observation
from deployer.model.service import all_heard, count
from deployer.rollout.wiring import Wiring


def untouched(wiring: Wiring, plan: RolloutPlan, seen: Observation, status: Status, exit_code: ExitCode) -> Result:
    """The result of a rollout that changed nothing of the fleet."""
    tally = count(seen)
    ids = tuple(slot.instance for slot in plan.slots)
    ledger = wiring.session.ledger
    return Result(
        rollout=plan.rollout,
        fleet=plan.fleet,
        strategy=plan.strategy,
        method=plan.policy.method.value,
        backend=plan.backend,
        status=status,
        release_from=plan.goal.name if status is Status.NOTHING_TO_DO else plan.previous.name,
        release_to=plan.goal.name,
        image_from=plan.previous.image,
        image_to=plan.previous.image if status is Status.NOTHING_TO_DO else plan.goal.image,
        total=plan.limits.size,
        replaced=0,
        failed=0,
        old=ids,
        new=ids if status is Status.NOTHING_TO_DO else (),
        floor=plan.limits.floor,
        lowest=tally.in_service if all_heard(seen) else None,
        surge_limit=plan.limits.surge,
        surge_highest=0,
        seconds_total=0.0,
        seconds_bake=0.0,
        seconds_rollout=0.0,
        seconds_lower_bound=None,
        calls=ledger.by_operation,
        throttled=ledger.throttled,
        exit_code=exit_code,
        where=wiring.where,
    )
