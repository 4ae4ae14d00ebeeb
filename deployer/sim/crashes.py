"""Crash enumeration: a rollout ends at each of its mutating calls, at each moment around it, and is resumed.

What must hold: the rollout converges, nothing is launched twice, nothing is orphaned, and a second run
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random

from deployer.engine.result import Status
from deployer.model.capacity import Amount, limits_for
from deployer.model.fleet import Balancer, BalancerKind
from deployer.model.policy import Method, OnFailure, Policy
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.faults import Fault, Planned
from deployer.sim.run import Outcome, simulate
from deployer.sim.setup import DEADLINES, STRATEGIES, GroupSetup, Setup

_ZONES = ("a", "a", "b", "b", "c", "c")


@dataclass
class Summary:
    """One kind of rollout, crashed at all its points. `failures` are sentences that name the point."""

    name: str
    points: int = 0
    converged: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.name}: {self.points} crash points, {self.converged} converged"


def kinds() -> Iterator[tuple[str, Setup]]:
    """Every strategy with every method it has, and a rollout that turns back."""
    for strategy in STRATEGIES:
        for method in Method:
            if strategy == "blue-green" and method is Method.IN_PLACE:
                continue
            setup = _setup(strategy, method)
            yield f"{strategy} {method.value}", setup
    for method in Method:
        sick = (Planned(Fault.NEVER_HEALTHY, 20.0),)
        yield f"rolling {method.value}, turning back", replace(_setup("rolling", method), faults=sick)
        if method is Method.RELAUNCH:
            other = replace(_setup("rolling", method), new_type="m5.xlarge")
            yield "rolling relaunch, another type", other
            yield "rolling relaunch, another type, turning back", replace(other, faults=sick)


def enumerate_crashes(jobs: int) -> Iterator[Summary]:
    """Runs every kind with every crash point; a summary each."""
    with ProcessPoolExecutor(max_workers=max(1, jobs)) as pool:
        yield from pool.map(crash_everywhere, [name for name, _ in kinds()], [setup for _, setup in kinds()])


def crash_everywhere(name: str, setup: Setup) -> Summary:
    """One kind of rollout: first whole, to count its calls, then with a crash at each moment of each."""
    whole = simulate(setup)
    summary = Summary(name)
    summary.failures += [f"without a crash: {text}" for text in wrong(setup, whole)]
    for point in points(whole.calls):
        outcome = simulate(replace(setup, crash=point))
        found = wrong(setup, outcome)
        summary.points += 1
        summary.converged += not found
        summary.failures += [f"crash at {point}: {text}" for text in found]
    return summary


def points(calls: int) -> Iterator[CrashPoint]:
    """Every moment of every call."""
    for call in range(1, calls + 1):
        for moment in Moment:
            yield CrashPoint(call, moment)


def wrong(setup: Setup, outcome: Outcome) -> Sequence[str]:
    """What did not converge, a sentence each."""
    found = [str(violation) for violation in outcome.violations]
    # Where one instance is sick, a crash may mend it: its successor draws another fate.
    wanted = (Status.SUCCEEDED, Status.ROLLED_BACK) if setup.faults else (Status.SUCCEEDED,)
    if outcome.status not in wanted:
        found.append(f"ended {outcome.status}: {outcome.reason}; {outcome.ends}")
    if outcome.second_changes:
        found.append(f"a second run made {outcome.second_changes} changes")
    return found


def _setup(strategy: str, method: Method) -> Setup:
    random = Random(f"crash {strategy} {method.value}")  # noqa: S311 (not for secrets)
    kinds_of = (BalancerKind.ALB, BalancerKind.CLASSIC)
    groups = tuple(
        GroupSetup(
            Balancer(f"lb-{n}", f"balancer-{n}", kind, 8080, deregistration_delay=30.0, health_interval=5.0),
            lag=random.uniform(0.0, 2.0),
            healthy_threshold=2,
            unhealthy_threshold=2,
            long_connections=0.1,
        )
        for n, kind in enumerate(kinds_of)
    )
    limits = limits_for(
        zones={zone: _ZONES.count(zone) for zone in set(_ZONES)},
        batch=Amount(2),
        floor=None,
        surge=Amount.ALL if strategy == "blue-green" else None,
        can_surge=method is Method.RELAUNCH,
    )
    policy = Policy(method=method, soak=5.0, on_failure=OnFailure.ROLLBACK, deadlines=DEADLINES)
    return Setup(7, _ZONES, groups, strategy, limits, policy, poll=3.0)
