"""The balancers' counts by the names that AWS has for balancers and target groups in its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.lab.balancers import classic_catalogue, elbv2_catalogue
from deployer.lab.balancers.specs import Kind
from deployer.lab.balancers.traffic import Tally, Traffic


@dataclass(frozen=True)
class Side:
    """A balancer, and where there is one a target group behind it, as metrics name them.

    `balancer` is `app/NAME/ID`, `net/NAME/ID` or a classic balancer's name; `group` is `targetgroup/NAME/ID`.
    """

    kind: Kind
    balancer: str
    group: str = ""


@dataclass(frozen=True)
class Counts:
    """What was answered since the last time, and how many targets are healthy and unhealthy now."""

    answered: tuple[tuple[Side, Tally], ...]
    hosts: tuple[tuple[Side, tuple[int, int]], ...]


def counts(
    traffic: Traffic, hosts: Mapping[str, tuple[int, int]], balancers: Iterable[Any], classics: Iterable[Any]
) -> Counts:
    """Puts the names of moto's balancers to what the plane has counted; what no longer exists is left out."""
    sides, listeners, groups = _elbv2_sides(list(balancers))
    for balancer in classics:
        pool, side = classic_catalogue.pool_name(balancer.name), Side(Kind.CLASSIC, balancer.name)
        sides.append((pool, side))
        listeners |= {
            classic_catalogue.listener_name(pool, int(one.load_balancer_port)): side for one in balancer.listeners
        }
    answered = []
    for (listener, cluster), tally in traffic.items():
        if listener in listeners:
            side = listeners[listener]
            answered.append((Side(side.kind, side.balancer, groups.get(cluster, "")), tally))
    known = tuple((side, hosts[pool]) for pool, side in sides if pool in hosts)
    return Counts(tuple(answered), known)


def _elbv2_sides(balancers: list[Any]) -> tuple[list[tuple[str, Side]], dict[str, Side], dict[str, str]]:
    """Pools with their sides; listeners by their specs' names; target groups by their pools' names."""
    sides: list[tuple[str, Side]] = []
    listeners: dict[str, Side] = {}
    groups: dict[str, str] = {}
    for balancer in balancers:
        kind = Kind.NETWORK if balancer.type == "network" else Kind.APPLICATION
        name = balancer.arn.rpartition(":loadbalancer/")[2]
        own = list(balancer.listeners.values())
        listeners |= {elbv2_catalogue.listener_name(one.arn): Side(kind, name) for one in own}
        rules = [rule for one in own for rule in list(one.rules.values())]
        for arn in {arn for rule in rules for arn in elbv2_catalogue.target_group_arns(rule.actions)}:
            pool = elbv2_catalogue.pool_name(arn)
            groups[pool] = arn.rpartition(":")[2]
            sides.append((pool, Side(kind, name, groups[pool])))
    return sides, listeners, groups
