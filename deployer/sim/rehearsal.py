"""Rehearsing a plan: the rollout of *this* fleet, many times over in its twin, with faults thrown in."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from deployer.engine.loop import Decides
from deployer.engine.plan import RolloutPlan
from deployer.engine.result import Status
from deployer.model.fleet import Balancer, BalancerKind
from deployer.sim.run import Outcome, simulate
from deployer.sim.setup import GroupSetup, Setup, draw_faults


@dataclass(frozen=True)
class Rehearsal:
    """What came of it. Durations are virtual seconds, from the first look to the end.

    `ends` counts how the rollouts with faults ended; `fair_seconds` is the typical time with none. `broken`
    are promises that did not hold, each with its seed.
    """

    rollouts: int
    ends: tuple[tuple[str, int], ...]
    fair_seconds: float
    longest_seconds: float
    faults: tuple[tuple[str, int], ...]
    broken: tuple[str, ...]


def rehearse(plan: RolloutPlan, strategy: Decides, *, seeds: int) -> Rehearsal:
    """Runs the plan in its twin: five times in fair weather, then once for each seed with faults."""
    fair = [simulate(setup) for setup in _setups(plan, strategy, 5, faults=False)]
    foul = [simulate(setup) for setup in _setups(plan, strategy, seeds, faults=True)]
    ends = Counter(outcome.status.value if outcome.status is not None else "cut short" for outcome in foul)
    faults: Counter[str] = Counter()
    for outcome in foul:
        faults.update({fault.name.lower().replace("_", " "): times for fault, times in outcome.faults.items()})
    arrived = [outcome.seconds for outcome in fair if outcome.status is Status.SUCCEEDED]
    return Rehearsal(
        rollouts=len(fair) + len(foul),
        ends=tuple(ends.most_common()),
        fair_seconds=statistics.median(arrived) if arrived else 0.0,
        longest_seconds=max((outcome.seconds for outcome in foul), default=0.0),
        faults=tuple(faults.most_common()),
        broken=tuple(_broken(fair + foul)),
    )


def _broken(outcomes: list[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        for violation in outcome.violations:
            yield f"seed {outcome.setup.seed}: {violation}"


def _setups(plan: RolloutPlan, strategy: Decides, seeds: int, *, faults: bool) -> Iterator[Setup]:
    sides = plan.sides or ()
    ranked = sorted(plan.balancers, key=lambda one: sides.index(one.id) if one.id in sides else len(sides))
    base = Setup(
        seed=0,
        zones=tuple(slot.zone for slot in plan.slots),
        groups=tuple(_group(balancer) for balancer in ranked),
        strategy=plan.strategy,
        limits=plan.limits,
        policy=replace(plan.policy, sabotage=None),
        poll=2.0,
        own=strategy,
        split=plan.sides is not None,
    )
    for seed in range(1, seeds + 1):
        drawn = draw_faults(Random(f"rehearsal {seed}")) if faults else ()  # noqa: S311 (not for secrets)
        yield replace(base, seed=seed, faults=drawn)


def _group(balancer: Balancer) -> GroupSetup:
    """How a balancer behaves: a classic ELB and an NLB need their threshold, an ALB one check. [ELB user guides]"""
    slow = balancer.kind is BalancerKind.NLB
    threshold = max(round(balancer.health_seconds / balancer.health_interval), 2)
    checks = 1 if balancer.kind is BalancerKind.ALB else threshold
    return GroupSetup(
        balancer=balancer,
        lag=30.0 if slow else 2.0,
        healthy_threshold=checks,
        unhealthy_threshold=2,
        long_connections=0.1,
    )
