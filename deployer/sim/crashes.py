"""Crash enumeration: a rollout ends at each of its mutating calls, at each moment around it, and is resumed.

What must hold: the rollout converges, nothing is launched twice, nothing is orphaned, and a second run
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from deployer.sim.setup import (
    BY_WEIGHT,
    DEADLINES,
    IN_A_GROUP,
    TWO_FLEETS,
    GroupSetup,
    Setup,
    combinations,
    places,
    with_split,
)

_ZONES = ("a", "a", "b", "b", "c", "c")
_CHUNK = 8
"""Crash points that are tried in one go by a worker."""


@dataclass
class Summary:
    """One kind of rollout, crashed at points of it. `failures` are sentences that name the point."""

    name: str
    calls: int = 0
    points: int = 0
    converged: int = 0
    orphans: int = 0
    double_launches: int = 0
    second_changes: int = 0
    failures: list[str] = field(default_factory=list)

    def merge(self, other: Summary) -> None:
        """Adds what other points of the same kind have shown."""
        self.points += other.points
        self.converged += other.converged
        self.orphans += other.orphans
        self.double_launches += other.double_launches
        self.second_changes += other.second_changes
        self.failures += other.failures


def kinds() -> Iterator[tuple[str, Setup]]:
    """Every strategy with every method it has, wherever it can be, and rollouts that turn back or resize."""
    for strategy, method in combinations():
        setup = _setup(strategy, method)
        variants = {"": setup, IN_A_GROUP: replace(setup, grouped="$Default"), BY_WEIGHT: with_split(setup)}
        for place in places(strategy):
            yield variants[place].kind, variants[place]
    for method in Method:
        sick = (Planned(Fault.NEVER_HEALTHY, 20.0),)
        back = replace(_setup("rolling", method), faults=sick)
        yield f"rolling {method.value}, turning back", back
        yield f"rolling {method.value}, in a group, turning back", replace(back, grouped="$Latest")
        if method is Method.RELAUNCH:
            shares = replace(with_split(_setup("traffic-canary", method)), faults=sick)
            yield f"{shares.kind}, turning back", shares
            other = replace(_setup("rolling", method), new_type="m5.xlarge")
            yield "rolling relaunch, another type", other
            yield "rolling relaunch, another type, turning back", replace(other, faults=sick)


def enumerate_crashes(jobs: int, told: Callable[[int, int], None] = lambda _done, _all: None) -> list[Summary]:
    """Runs every kind with every crash point; a summary each. `told` hears how many points are done, and of all."""
    summaries, tasks = [], list[tuple[int, Setup, Sequence[CrashPoint]]]()
    for number, (name, setup) in enumerate(kinds()):
        summary = whole(name, setup)
        summaries.append(summary)
        every = list(points(summary.calls))
        tasks += [(number, setup, every[start : start + _CHUNK]) for start in range(0, len(every), _CHUNK)]
    done, total = 0, sum(len(chosen) for _, _, chosen in tasks)
    with ProcessPoolExecutor(max_workers=max(1, jobs)) as pool:
        for (number, _, chosen), found in zip(tasks, pool.map(_crash_at, tasks), strict=True):
            summaries[number].merge(found)
            done += len(chosen)
            told(done, total)
    return summaries


def whole(name: str, setup: Setup) -> Summary:
    """One kind of rollout without a crash: how many calls it makes."""
    outcome = simulate(setup)
    return Summary(
        name, calls=outcome.calls, failures=[f"without a crash: {text}" for text in wrong(setup, outcome)]
    )


def _crash_at(task: tuple[int, Setup, Sequence[CrashPoint]]) -> Summary:
    return crash_at(task[1], task[2])


def crash_at(setup: Setup, chosen: Sequence[CrashPoint]) -> Summary:
    """One kind of rollout, crashed at each of these points."""
    summary = Summary("")
    for point in chosen:
        outcome = simulate(replace(setup, crash=point))
        found = wrong(setup, outcome)
        summary.points += 1
        summary.converged += not found
        summary.orphans += len(outcome.orphans)
        summary.double_launches += outcome.double_launches
        summary.second_changes += outcome.second_changes
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
    if outcome.orphans:
        found.append(f"left over: {', '.join(outcome.orphans)}")
    if outcome.second_changes:
        found.append(f"a second run made {outcome.second_changes} changes")
    return found


_HEAD = """\
# Crashes

Every kind of rollout, ended as by `kill -9` at every one of its mutating calls: before it was sent, after half
of its batch was applied, applied with the answer lost, and answered but not journaled. Then another process
resumes it. It has converged when it ended as it was to, no promise was broken on the way, nothing was launched
twice, nothing is left over, and a second run changes nothing. Made by the program:
`python -m deployer.sim --crashes`.

| rollout | mutating calls | crash points | converged | left over | launched twice | second run changed |
|---|--:|--:|--:|--:|--:|--:|"""


def page(summaries: Sequence[Summary]) -> Iterator[str]:
    """The lines of docs/crashes.md."""
    yield from _HEAD.splitlines()
    for one in summaries:
        yield _row(one.name, one)
    total = Summary("", calls=sum(one.calls for one in summaries))
    for one in summaries:
        total.merge(one)
    yield _row("**all**", total)


def _row(name: str, one: Summary) -> str:
    share = 100.0 * one.converged / one.points if one.points else 0.0
    cells = (name, one.calls, one.points, f"{share:.4g} %", one.orphans, one.double_launches, one.second_changes)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


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
        surge=Amount.ALL if strategy in TWO_FLEETS else None,
        can_surge=method is Method.RELAUNCH,
    )
    policy = Policy(method=method, soak=5.0, on_failure=OnFailure.ROLLBACK, deadlines=DEADLINES)
    return Setup(7, _ZONES, groups, strategy, limits, policy, poll=3.0)
