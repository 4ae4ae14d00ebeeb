"""What can be told of a fleet's drains before one begins: the ports that are sent to, and what hosts show there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployer.config.settings import FleetSettings
from deployer.engine.ports import Sighting
from deployer.model.fleet import ABSENT, Balancer, Instance, TargetState
from deployer.model.hosts import Counted
from deployer.rollout import planner
from deployer.rollout.preparation import Ground
from deployer.rollout.survey import PATIENCE, count_all

_SAMPLE = 8
"""Hosts that a plan asks: enough to tell how a fleet is made."""
_NAMED = 3


@dataclass(frozen=True)
class Shown:
    """What hosts said of their connections. `sent_to` are the ports that balancers send to, by instance."""

    sent_to: Mapping[str, frozenset[int]]
    counted: Mapping[str, Counted]

    def closed(self) -> Mapping[str, str]:
        """The hosts that do not tell, and why."""
        said = {ident: self.counted.get(ident) for ident in self.sent_to}
        return {
            ident: f"no answer within {PATIENCE:.0f} s" if one is None else one.detail
            for ident, one in said.items()
            if one is None or one.connections is None
        }

    def unseen(self) -> Iterator[tuple[int, list[str]]]:
        """The ports that are sent to on which hosts that do tell showed no connection, with those hosts."""
        telling = {ident: one for ident, one in self.counted.items() if one.connections is not None}
        for port in sorted(set().union(*self.sent_to.values()) if self.sent_to else set[int]()):
            hosts = sorted(i for i, one in telling.items() if port in self.sent_to[i] - one.shown)
            if hosts:
                yield port, hosts


def ask_members(ground: Ground, sighting: Sighting, most: int | None = None) -> Shown:
    """Asks the members of a fleet, or `most` of them, what connections they show. Changes nothing."""
    members = planner.members(sighting.instances)
    step = -(-len(members) // most) if most else 1
    asked = members[:: max(step, 1)]
    sent_to = {one.id: ports_at(one, ground.found.balancers, sighting) for one in asked}
    return Shown(sent_to, count_all(ground.hosts, asked, sent_to, ground.wiring.clock))


def ports_at(one: Instance, balancers: Sequence[Balancer], sighting: Sighting) -> frozenset[int]:
    """The ports that balancers send to on an instance now."""
    found: frozenset[int] = frozenset()
    for balancer in balancers:
        target = sighting.targets.get(balancer.id, {}).get(one.id, ABSENT)
        if target.state not in (TargetState.ABSENT, TargetState.UNKNOWN):
            found |= frozenset(target.ports) or balancer.ports
    return found


def plan_remarks(ground: Ground) -> Iterator[str]:
    """What a user should know of the drains of a rollout before it begins."""
    settings, sighting = ground.wiring.settings, ground.sight()
    yield from unused_lame_duck(settings, ground.found.balancers)
    yield from elsewhere(ground.found.balancers, sighting, settings.health.port)
    yield from datagrams(ground.found.balancers)
    if not settings.ssh.ask_hosts:
        return
    shown = ask_members(ground, sighting, _SAMPLE)
    closed = shown.closed()
    if closed:
        first = min(closed)
        yield (
            f"{len(closed)} of {len(shown.sent_to)} hosts that were asked do not tell their connections, so a "
            f"drain of them lasts {_whole(ground.found.balancers)}; {first}: {closed[first]}"
        )
    yield from unseen(ground.found.balancers, shown)


def unused_lame_duck(settings: FleetSettings, balancers: Sequence[Balancer]) -> Iterator[str]:
    """A lame-duck command that is not run, since nothing would take it back. Pure.

    Behind a balancer it lets connections go, and new ones come once the instance is registered again. A worker that
    it told to take no more work would have none after a rollback.
    """
    if settings.rollout.lame_duck and not balancers:
        yield (
            f"lame_duck is not run: fleet {settings.name} is behind no balancer, so nothing would take it back "
            f"when a rollout turns round; set stop_taking and take_again in [fleet.{settings.name}.work]"
        )


def elsewhere(balancers: Sequence[Balancer], sighting: Sighting, health_port: int) -> Iterator[str]:
    """The balancers that send to another port than the one on which instances are asked for their health. Pure."""
    members = planner.members(sighting.instances)
    for balancer in balancers:
        sent_to = frozenset().union(*(ports_at(one, (balancer,), sighting) for one in members))
        others = sorted(sent_to - {health_port})
        if others:
            yield (
                f"{balancer.name} sends to port {_listed(others)} of the instances, and health.port is "
                f"{health_port}: in a drain connections are watched on all of them; health and release are asked "
                f"for on port {health_port} alone"
            )


def datagrams(balancers: Sequence[Balancer]) -> Iterator[str]:
    """The balancers that pass on what leaves no trace among a host's connections. Pure."""
    for balancer in balancers:
        if balancer.datagrams:
            yield (
                f"{balancer.name} passes on UDP or QUIC, of which a host shows no connections, so every drain "
                f"lasts {_whole([balancer])}"
            )


def unseen(balancers: Sequence[Balancer], shown: Shown) -> Iterator[str]:
    """The ports on which hosts showed no connection, so that their drains cannot end early as things are. Pure."""
    for port, hosts in shown.unseen():
        names = ", ".join(hosts[:_NAMED]) + (", …" if len(hosts) > _NAMED else "")
        yield (
            f"{len(hosts)} of {len(shown.sent_to)} hosts showed no connection on port {port} ({names}): where that "
            f"is a container's published port, or nothing listens, a drain of them lasts {_whole(balancers)}"
        )


def _whole(balancers: Sequence[Balancer]) -> str:
    delay = max((one.deregistration_delay for one in balancers), default=0.0)
    return f"the whole deregistration delay of {delay:g} s"


def _listed(ports: Sequence[int]) -> str:
    return " and ".join(map(str, ports))
