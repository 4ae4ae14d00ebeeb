"""`deployer rollout`, natively: prepare, hold the fleet, bake, turn the loop, tell how it went."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from deployer.backends.native.baking import bake_release, needs_bake, refuse_no_way_back
from deployer.backends.native.preparing import Prepared, prepared
from deployer.backends.native.running import Run
from deployer.backends.native.strategies import strategy_for
from deployer.backends.native.wiring import Wiring
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.clock import StopRequest
from deployer.engine.events import Watch
from deployer.engine.memory import Memory
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Journal, Lease
from deployer.engine.result import Result, Status
from deployer.model.errors import ExitCode
from deployer.model.fleet import Release
from deployer.model.observation import Observation
from deployer.model.service import count, is_done
from deployer.state.owner import this_process
from deployer.state.store import DEFAULT_TTL


def rollout(settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
    """Rolls a release out and returns how it went. Raises DeployerError when nothing was begun."""
    stop = StopRequest()
    wiring = Wiring(settings, stop=stop)
    with _signals(stop), prepared(wiring, options) as ready:
        seen = ready.look()
        if all(is_done(seen, slot) for slot in seen.slots):
            return _nothing_to_do(ready, seen)
        ready.found.refuse_problems()
        refuse_no_way_back(ready)
        reason = f"release {ready.plan.previous.name} → {ready.plan.goal.name}"
        owner = this_process(wiring.environment)
        store = wiring.store()
        lease = store.acquire(settings.name, owner, reason, ready.plan.rollout, DEFAULT_TTL, wiring.clock)
        try:
            journal = store.open_rollout(settings.name, ready.plan.rollout, lease, wiring.clock)
            result = _carry_out(ready, lease, journal, stop, watch)
        except BaseException:
            lease.release()
            raise
        if not (result.status is Status.INTERRUPTED and stop.count > 1):
            lease.release()
        return result


def _carry_out(ready: Prepared, lease: Lease, journal: Journal, stop: StopRequest, watch: Watch) -> Result:
    plan, seconds = ready.plan, 0.0
    if needs_bake(plan):
        baked = bake_release(ready, journal, lease, watch, lambda: stop.count > 0)
        seconds = baked.seconds
        plan = replace(plan, goal=replace(plan.goal, image=baked.id))
    journal.append("plan", plan.fleet, {"plan": plan.to_json(), "fingerprint": plan.fingerprint()})
    strategy = strategy_for(plan.strategy, plan.strategy_settings, ready.wiring.settings.folder)
    ledger = ready.wiring.session.ledger
    memory = Memory(plan.goal, plan.previous)
    run = Run(
        plan,
        memory,
        strategy,
        ready.cloud,
        ready.hosts,
        journal,
        lease,
        ready.wiring.clock,
        watch,
        package=lambda name: ready.wiring.package(Release(name)),
        stop=stop,
        poll=_poll(plan),
        seconds_bake=seconds,
    )
    return run.go(lambda: (ledger.by_operation, ledger.throttled))


def _poll(plan: RolloutPlan) -> float:
    """Seconds between looks: often for small fleets, within AWS's rates for large ones."""
    return 1.0 if plan.limits.size <= 50 else 2.0 if plan.limits.size <= 200 else 5.0


def _nothing_to_do(ready: Prepared, seen: Observation) -> Result:
    plan, tally = ready.plan, count(seen)
    ids = tuple(slot.instance for slot in plan.slots)
    ledger = ready.wiring.session.ledger
    return Result(
        rollout=plan.rollout,
        fleet=plan.fleet,
        strategy=plan.strategy,
        method=plan.policy.method.value,
        backend="native",
        status=Status.NOTHING_TO_DO,
        release_from=plan.goal.name,
        release_to=plan.goal.name,
        image_from=plan.previous.image,
        image_to=plan.previous.image,
        total=plan.limits.size,
        replaced=0,
        failed=0,
        old=ids,
        new=ids,
        floor=plan.limits.floor,
        lowest=tally.in_service,
        surge_limit=plan.limits.surge,
        surge_highest=0,
        seconds_total=0.0,
        seconds_bake=0.0,
        seconds_rollout=0.0,
        seconds_lower_bound=0.0,
        calls=ledger.by_operation,
        throttled=ledger.throttled,
        exit_code=ExitCode.DONE,
    )


@contextmanager
def _signals(stop: StopRequest) -> Iterator[None]:
    """SIGINT and SIGTERM ask the rollout to stop; the second one to stop at once."""

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.ask(signal.Signals(number).name)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
