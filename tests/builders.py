"""Small observations for tests: a fleet in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.engine.plan import PlannedSlot, RolloutPlan
from deployer.model.capacity import Limits
from deployer.model.fleet import Balancer, BalancerKind, Instance, InstanceState, Release, Target, TargetState
from deployer.model.observation import Answer, Install, Observation, Seen, Slot
from deployer.model.policy import Method, Policy

NOW = 1_000.0
GOAL = Release("2", "digest-2", "ami-2")
PREVIOUS = Release("1", "digest-1", "ami-1")
BALANCER = Balancer("tg/shop", "shop", BalancerKind.ALB, 8080, deregistration_delay=120.0)


def instance(ident: str, *, zone: str = "a", image: str = "ami-1", state: str = "running") -> Instance:
    """An instance of the old image, unless said otherwise."""
    return Instance(ident, InstanceState(state), zone, image, "t3.micro", "127.0.0.9", subnet=f"subnet-{zone}")


def old(ident: str, target: TargetState = TargetState.HEALTHY, *, zone: str = "a", **more: object) -> Seen:
    """An old instance, in service unless `target` says otherwise."""
    healthy = target is TargetState.HEALTHY
    base = Seen(
        instance=instance(ident, zone=zone),
        targets={BALANCER.id: Target(target)},
        since=NOW - 100,
        answer=Answer(ok=True, at=NOW, release="1"),
        in_service_since=NOW - 100 if healthy else None,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def new(ident: str, target: TargetState = TargetState.HEALTHY, *, zone: str = "a", **more: object) -> Seen:
    """A new instance that serves the goal, in service unless `target` says otherwise."""
    healthy = target is TargetState.HEALTHY
    base = Seen(
        instance=instance(ident, zone=zone, image="ami-2"),
        targets={BALANCER.id: Target(target)},
        since=NOW - 100,
        answer=Answer(ok=True, at=NOW, release="2"),
        in_service_since=NOW - 100 if healthy else None,
        launched_by_us=True,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def quiet(seen: Seen) -> Seen:
    """The same, out of the balancer and without connections for long enough."""
    return replace(seen, detached_since=NOW - 60, quiet_since=NOW - 30, quiet_until=NOW, connections=0)


def slot(name: str, *occupants: Seen, zone: str = "a", begun: bool = False, launching: int = 0) -> Slot:
    """A slot with its occupants."""
    return Slot(name, zone, occupants, launching=launching, begun=begun)


def seen(
    slots: Sequence[Slot],
    *,
    window: int = 2,
    floor: int = 0,
    surge: int = 0,
    zone_floor: Mapping[str, int] | None = None,
    policy: Policy | None = None,
    balancers: tuple[Balancer, ...] = (BALANCER,),
    **more: object,
) -> Observation:
    """An observation of these slots."""
    limits = Limits(len(slots), window, floor, surge, tuple((zone_floor or {}).items()))
    base = Observation(
        now=NOW,
        goal=GOAL,
        previous=PREVIOUS,
        policy=policy or Policy(),
        limits=limits,
        balancers=balancers,
        slots=tuple(slots),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def planned(*instances: str, **more: object) -> RolloutPlan:
    """A plan of a rolling rollout for these instances, in slots `slot-0`, `slot-1`, …"""
    slots = (PlannedSlot(f"slot-{n}", "a", "subnet-a", one, "t3.micro") for n, one in enumerate(instances))
    base = RolloutPlan(
        rollout="r-1",
        fleet="web",
        strategy="rolling",
        strategy_settings={},
        previous=PREVIOUS,
        goal=GOAL,
        limits=Limits(len(instances), len(instances), 0, 0),
        policy=Policy(),
        balancers=(),
        slots=tuple(slots),
    )
    return replace(base, **more)  # type: ignore[arg-type]


def in_place(**more: object) -> Policy:
    """A policy with method in-place."""
    return replace(Policy(method=Method.IN_PLACE), **more)  # type: ignore[arg-type]


def installed(one: Seen, install: Install) -> Seen:
    """The same instance with that installation."""
    return replace(one, install=install)
