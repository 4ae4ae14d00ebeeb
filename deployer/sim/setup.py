"""What one simulated rollout is made of: drawn from a seed, and the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from deployer.engine.loop import Decides
from deployer.model.capacity import Amount, Limits, limits_for
from deployer.model.errors import Infeasible
from deployer.model.fleet import Balancer, BalancerKind
from deployer.model.occasions import INSTANCE_POINTS, STEP_POINTS, Point
from deployer.model.policy import STOPS_WITHIN, Deadlines, Keep, Method, OnFailure, Policy
from deployer.model.work_source import SourceKind, WorkSource
from deployer.sim.broken_strategy import Breakage, Breaks
from deployer.sim.crash import CrashPoint
from deployer.sim.faults import OF_TRAFFIC, WINDOWS, Fault, Planned
from deployer.strategies.blue_green import BlueGreen
from deployer.strategies.canary import Canary
from deployer.strategies.rolling import OneAtATime, Rolling, ZoneByZone
from deployer.strategies.traffic_canary import TrafficCanary

DEADLINES = Deadlines(
    launch=120.0,
    boot=150.0,
    health=200.0,
    drain=600.0,
    install=120.0,
    terminate=200.0,
    progress=900.0,
    expectation=30.0,
)
"""Short, so that a rollout whose instances never come up is over in minutes of virtual time."""

_LASTING = {Fault.TARGETS_MISSING: (5.0, 10.0)}
"""How long faults last that are over soon, in seconds."""

_LATER = OF_TRAFFIC | {Fault.NO_TRAFFIC, Fault.JOBS_UNKNOWN, Fault.STOPPED_IN_CALL, Fault.STOPPED_IN_RETRY}
"""What later versions draw, each from a stream of its own."""

_SCHEDULED = [fault for fault in Fault if fault not in _LATER]
"""What the first stream draws from: another fault among them would be another schedule for every seed."""

_OF_HOOKS = frozenset({Fault.ALARM, Fault.ALARM_WITHOUT_DATA, Fault.HOOK_HANGS})
_POINTS = sorted(INSTANCE_POINTS | STEP_POINTS | {Point.FINAL_SOAK}, key=lambda point: point.value)

STRATEGIES = ("rolling", "growing", "one-at-a-time", "zone-by-zone", "canary", "blue-green", "traffic-canary")


TWO_FLEETS = frozenset({"blue-green", "traffic-canary"})
"""Strategies that bring up a whole new fleet beside the old one, and may have two target groups for that."""


IN_A_GROUP = ", in a group"
BY_WEIGHT = ", by weight"


def combinations() -> Iterator[tuple[str, Method]]:
    """Every strategy with every method it has."""
    for strategy in STRATEGIES:
        for method in Method:
            if method is Method.RELAUNCH or strategy not in TWO_FLEETS:
                yield strategy, method


def places(strategy: str) -> tuple[str, ...]:
    """Where a strategy can be carried out: by instances, in an Auto Scaling group, by weights of traffic."""
    if strategy == "traffic-canary":
        return (BY_WEIGHT,)
    return ("", IN_A_GROUP, BY_WEIGHT) if strategy in TWO_FLEETS else ("", IN_A_GROUP)


@dataclass(frozen=True)
class GroupSetup:
    """One balancer: as the plan knows it, and how it behaves."""

    balancer: Balancer
    lag: float
    healthy_threshold: int
    unhealthy_threshold: int
    long_connections: float
    """The share of drains that last for as long as the balancer lets them."""
    ports: tuple[int, ...] = ()
    """Where the instances are registered with ports of their own: those."""


_PLAIN = GroupSetup(Balancer("lb-0", "balancer-0", BalancerKind.ALB, 8080, 20.0, 5.0, 5.0), 1.0, 2, 2, 0.1)


@dataclass(frozen=True)
class Setup:
    """One simulated rollout."""

    seed: int
    zones: tuple[str, ...]
    """The zone of each instance."""
    groups: tuple[GroupSetup, ...]
    strategy: str
    limits: Limits
    policy: Policy
    poll: float
    faults: tuple[Planned, ...] = ()
    crash: CrashPoint | None = None
    bystanders: int = 1
    hooked: frozenset[Point] = frozenset()
    """The points at which hooks run and gates are asked."""
    grouped: str | None = None
    """How the fleet's Auto Scaling group names what it launches; None for a fleet without a group."""
    split: bool = False
    """Whether a listener splits traffic between the first two balancers: the old and the new side."""
    half_closed: float = 0.0
    """The share of drains whose clients have closed their side and wait for their answers."""
    hidden: float = 0.0
    """The share of hosts that do not show their connections."""
    own: Decides | None = None
    """A strategy that is none of ours, and is to be tried."""
    names_release: bool = True
    """Whether the application names its release; else it is known by its image or its host's marker."""
    stop_within: float = STOPS_WITHIN
    """Seconds that a process takes at most to end after a signal."""
    new_type: str | None = None
    """The instance type that the fleet is brought to, on the release that it has; None for a new release."""
    rate: float = 5.0
    """Requests a second that each instance in service answers."""
    breaks: Breaks | None = None
    """When and how the strategy breaks; None for one that works."""
    mixed: str = ""
    """What each instance runs before, where that is not the same for all: `o` the old release, `e` an elder one,
    `n` the new one already. Empty for a fleet that runs the old release alone."""

    @property
    def kind(self) -> str:
        """Its strategy and method in words, and where they are carried out."""
        place = IN_A_GROUP if self.grouped else BY_WEIGHT if self.split else ""
        return f"{self.strategy} {self.policy.method.value}{place}"

    def make_strategy(self) -> Decides:
        """The strategy, with its settings."""
        if self.own is not None:
            return self.own
        made: Decides = _STRATEGIES[self.strategy]()
        return made

    def __str__(self) -> str:
        faults = ", ".join(f"{one.fault.name} at {one.at:.0f} s" for one in self.faults) or "no faults"
        kinds = "+".join(group.balancer.kind.value for group in self.groups) or "no balancer"
        kinds += ", workers" if self.policy.work is not None else ""
        zones = len(set(self.zones))
        return (
            f"{len(self.zones)} instances in {zones} zones behind {kinds}, {self.strategy}, "
            f"{self.policy.method.value}, {self.limits}, {faults}"
            + ("" if self.names_release else ", without a release header")
            + (f", to {self.new_type}" if self.new_type else "")
            + (f", crash at {self.crash}" if self.crash else "")
            + (f", {self.breaks}" if self.breaks else "")
        )


_STRATEGIES: dict[str, Any] = {
    "rolling": Rolling,
    "growing": lambda: Rolling((Amount(1), Amount(25, percent=True), Amount(50, percent=True))),
    "one-at-a-time": OneAtATime,
    "zone-by-zone": lambda: ZoneByZone(soak=5.0),
    "canary": lambda: Canary(soak=10.0),
    "blue-green": lambda: BlueGreen(keep=15.0),
    "traffic-canary": lambda: TrafficCanary(soak=8.0, keep=15.0),
}


def draw(seed: int, *, faults: bool = True) -> Setup:
    """The setup of a seed. The same seed gives the same; without faults it is the same fleet in fair weather."""
    random = Random(f"setup {seed}")  # noqa: S311 (not for secrets)
    while True:
        try:
            setup = _draw(random, seed)
        except Infeasible:
            continue
        drawn = draw_faults(random) if faults else ()
        placed = _draw_place(random, replace(setup, faults=drawn, hooked=_draw_hooked(random, drawn)))
        latest = _with_later_draws(_draw_traffic(placed, seed), faults=faults)
        latest = _draw_work(Random(f"work {seed}"), latest, faults=faults)  # noqa: S311 (not for secrets)
        latest = _draw_mixture(_draw_stops(latest) if faults else latest)
        return _draw_header(Random(f"header {seed}"), latest)  # noqa: S311 (not for secrets)


def _draw_header(random: Random, setup: Setup) -> Setup:
    """Whether the application names its release, and how soon a process has to end after a signal."""
    return replace(
        setup, names_release=random.random() < 0.65, stop_within=random.choice((STOPS_WITHIN, 60.0, 20.0))
    )


def _with_later_draws(setup: Setup, *, faults: bool) -> Setup:
    """What later versions draw comes from a stream of its own: the seeds of before keep their meaning."""
    random = Random(f"later draws {setup.seed}")  # noqa: S311 (not for secrets)
    wanted, rate = random.choice((0, 0, 0, 5, 20)), random.choice((0.5, 2.0, 10.0))
    if setup.groups:
        setup = replace(setup, rate=rate, policy=replace(setup.policy, min_requests=wanted))
    withheld, at = random.random() < 0.3, round(random.uniform(1.0, 120.0), 1)
    if faults and withheld and setup.policy.min_requests:
        planned = (*setup.faults, Planned(Fault.NO_TRAFFIC, at))
        setup = replace(setup, faults=tuple(sorted(planned, key=lambda one: one.at)))
    breaks = Breaks(random.choice(list(Breakage)), random.randint(1, 80))
    return replace(setup, breaks=breaks) if faults and random.random() < 0.06 else setup


def _draw_work(random: Random, setup: Setup, *, faults: bool) -> Setup:
    """Most fleets behind no balancer fetch their work from a queue, and are told when to stop."""
    longest, wanted = random.choice((10.0, 30.0, 90.0)), random.choice((0, 0, 3))
    if setup.groups or random.random() < 0.2:
        return setup
    work = WorkSource(SourceKind.COMMAND, ("/opt/stop-taking",), ("/opt/take-again",), longest)
    setup = replace(setup, policy=replace(setup.policy, work=work, min_requests=wanted))
    planned = Planned(Fault.JOBS_UNKNOWN, round(random.uniform(1.0, 120.0), 1), random.choice((20.0, 120.0)))
    if faults and random.random() < 0.4:
        setup = replace(setup, faults=tuple(sorted((*setup.faults, planned), key=lambda one: one.at)))
    return setup


def _draw_stops(setup: Setup) -> Setup:
    """Now and then the process stands still within a call, and another takes the rollout over meanwhile."""
    random = Random(f"stops {setup.seed}")  # noqa: S311 (not for secrets)
    if random.random() >= 0.15:
        return setup
    fault = random.choice((Fault.STOPPED_IN_CALL, Fault.STOPPED_IN_RETRY))
    planned = (*setup.faults, Planned(fault, round(random.uniform(0.0, 120.0), 1)))
    return replace(setup, faults=tuple(sorted(planned, key=lambda one: one.at)))


def _draw_mixture(setup: Setup) -> Setup:
    """Some fleets were left half way by the rollouts before. A side of a split has one release."""
    random = Random(f"mixtures {setup.seed}")  # noqa: S311 (not for secrets)
    if random.random() >= 0.2 or setup.split or len(setup.zones) < 3:
        return setup
    others = [random.choice("en") for _ in range(random.randint(1, (len(setup.zones) - 1) // 2))]
    found = others + ["o"] * (len(setup.zones) - len(others))
    random.shuffle(found)
    return replace(setup, mixed="".join(found))


def _draw(random: Random, seed: int) -> Setup:
    size = random.choice([*range(1, 9)] * 6 + [*range(9, 17)] * 2 + [24, 32, 48, 60])
    zones = tuple("abcd"[n % random.randint(1, 4)] for n in range(size))
    groups = tuple(_group(random, n) for n in range(random.choice((0, 1, 1, 1, 2, 3))))
    method = random.choice((Method.RELAUNCH, Method.RELAUNCH, Method.IN_PLACE))
    strategy = random.choice([name for name, possible in combinations() if possible is method])
    limits = limits_for(
        zones={zone: zones.count(zone) for zone in sorted(set(zones))},
        batch=random.choice((Amount(1), Amount(2), Amount(25, percent=True), Amount(50, percent=True), Amount.ALL)),
        floor=random.choice((None, None, Amount(50, percent=True), Amount(75, percent=True))),
        surge=Amount.ALL if strategy in TWO_FLEETS else random.choice((None, None, Amount(0), Amount(1))),
        can_surge=method is Method.RELAUNCH,
        zone_floor=random.choice((None, None, Amount(50, percent=True))),
    )
    return Setup(seed, zones, groups, strategy, limits, _policy(random, method), random.choice((2.0, 3.0, 5.0)))


def _policy(random: Random, method: Method) -> Policy:
    return Policy(
        method=method,
        soak=random.choice((0.0, 0.0, 10.0, 30.0)),
        final_soak=random.choice((0.0, 20.0)),
        max_failures=random.choice((0, 0, 1, 2)),
        on_failure=random.choice((OnFailure.ROLLBACK, OnFailure.ROLLBACK, OnFailure.STOP)),
        failed_instances=random.choice((Keep.TERMINATE, Keep.TERMINATE, Keep.KEEP)),
        quiet=random.choice((0.0, 5.0)),
        steady=random.choice((2, 3)),
        lame_duck=random.choice(((), ("/opt/web/lame-duck",))),
        ask_hosts=random.random() < 0.85,
        deadlines=DEADLINES,
    )


def _group(random: Random, number: int) -> GroupSetup:
    kind = random.choice((BalancerKind.ALB, BalancerKind.ALB, BalancerKind.NLB, BalancerKind.CLASSIC))
    interval = random.choice((5.0, 10.0))
    healthy = random.choice((2, 3))
    balancer = Balancer(
        id=f"lb-{number}",
        name=f"balancer-{number}",
        kind=kind,
        port=8080,
        deregistration_delay=random.choice((0.0, 20.0, 60.0, 120.0)),
        health_interval=interval,
        health_seconds=interval * (1 if kind is BalancerKind.ALB else healthy),
    )
    lag = random.uniform(5.0, 40.0) if kind is BalancerKind.NLB else random.uniform(0.0, 3.0)
    return GroupSetup(balancer, lag, healthy, 2, random.choice((0.0, 0.1, 0.4)))


def draw_faults(random: Random) -> tuple[Planned, ...]:
    """A schedule of up to four faults within the first minutes; now and then none."""
    number = random.choice((0, 1, 1, 2, 2, 3, 4))
    planned = [_planned(random, random.choice(_SCHEDULED)) for _ in range(number)]
    return tuple(sorted(planned, key=lambda one: one.at))


def _planned(random: Random, fault: Fault) -> Planned:
    at = random.uniform(1.0, 240.0) if random.random() < 0.7 else random.uniform(1.0, 30.0)
    lasts = random.choice(_LASTING.get(fault, (10.0, 40.0, 120.0))) if fault in WINDOWS else 0.0
    return Planned(fault, round(at, 1), lasts)


def _draw_hooked(random: Random, faults: tuple[Planned, ...]) -> frozenset[Point]:
    """Most rollouts have no hooks; those whose faults are about them do."""
    if not _OF_HOOKS & {planned.fault for planned in faults} and random.random() < 0.8:
        return frozenset()
    return frozenset({Point.THROUGHOUT, *random.sample(_POINTS, random.randint(1, len(_POINTS)))})


def _draw_place(random: Random, setup: Setup) -> Setup:
    """A third of all fleets live in an Auto Scaling group; some strategies split traffic between two sides."""
    possible = places(setup.strategy)
    place = random.choice((possible[0], *possible))
    if place == IN_A_GROUP:
        return replace(setup, grouped=random.choice(("1", "$Latest", "$Default")))
    return with_split(setup) if place == BY_WEIGHT else setup


def _draw_traffic(setup: Setup, seed: int) -> Setup:
    """What its traffic is like (faults 57 to 59), from a series of its own: ports, half-closed, hidden connections.

    A group registers whom it launches on the target group's own port, so there nobody has another one.
    """
    random = Random(f"traffic {seed}")  # noqa: S311 (not for secrets)
    own = setup.grouped is None and not setup.split
    groups = tuple(
        replace(
            group,
            balancer=replace(group.balancer, port=random.choice((8080, 8080, 9080))),
            ports=random.choice(((), (), (9081,), (8080, 9081))) if own else (),
        )
        for group in setup.groups
    )
    hidden = random.choice((0.0, 0.0, 0.0, 0.5, 1.0))
    return replace(setup, groups=groups, half_closed=random.choice((0.0, 0.3, 1.0)), hidden=hidden)


def with_split(setup: Setup) -> Setup:
    """The same fleet behind a listener with two target groups, and behind its third balancer if it has one."""
    first = setup.groups[0] if setup.groups else _PLAIN
    balancer = replace(first.balancer, kind=BalancerKind.ALB, health_seconds=first.balancer.health_interval)
    sides = tuple(
        replace(first, balancer=replace(balancer, id=f"lb-{n}", name=f"balancer-{n}"), lag=min(first.lag, 3.0))
        for n in range(2)
    )
    return replace(setup, groups=(*sides, *setup.groups[2:]), split=True)


@dataclass
class Chance:
    """Draws how instances turn out, in fair weather. Boot times are log-normal, as they are in life."""

    random: Random
    slow: float = field(init=False)

    def __post_init__(self) -> None:
        self.slow = self.random.choice((8.0, 15.0, 30.0))

    def boot(self) -> float:
        """Seconds from running until it answers."""
        return min(self.random.lognormvariate(0.0, 0.4) * self.slow, DEADLINES.boot * 0.6)

    def pending(self) -> float:
        """Seconds from the launch until EC2 calls it running."""
        return self.random.uniform(1.0, 10.0)
