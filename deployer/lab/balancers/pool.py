"""The targets of one target group or classic balancer, over time. No I/O: time and facts come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from deployer.lab.balancers.health import Probe
from deployer.lab.balancers.specs import ClusterSpec, Host, Kind, PoolSpec, Presence
from deployer.lab.balancers.targets import (
    NO_BALANCER,
    NOT_REGISTERED,
    ZONE_NOT_ENABLED,
    Health,
    Lags,
    State,
    Target,
    TargetKey,
    Verdict,
    not_running,
)
from deployer.lab.context import InstanceFacts, Power


@dataclass(frozen=True)
class Endpoint:
    """Where a target is: what the directory knows of it, or an address registered as such."""

    address: str
    zone: str
    """Empty for an address outside the lab's zones, which counts as being in all of them."""
    power: Power

    @classmethod
    def of(cls, facts: InstanceFacts) -> Endpoint:
        return cls(facts.address, facts.zone, facts.power)

    @property
    def running(self) -> bool:
        return self.power is Power.RUNNING


@dataclass(frozen=True)
class Check:
    """A health check that is due."""

    key: TargetKey
    address: str
    port: int


class Pool:
    """Registered and draining targets by key. Not thread-safe: the caller holds the lab's lock."""

    def __init__(self, spec: PoolSpec, lags: Lags) -> None:
        self.spec = spec
        self._lags = lags
        self._targets: dict[TargetKey, Target] = {}
        self._endpoints: dict[str, Endpoint] = {}
        self._next_check: dict[TargetKey, float] = {}

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets.values())

    def registered(self) -> list[TargetKey]:
        """The keys of what is registered now, in the order of registration; nothing that drains."""
        return [target.key for target in self if not target.draining]

    def register(self, key: TargetKey, endpoint: Endpoint, now: float) -> None:
        """Registers, or cancels a deregistration in progress; a registered target is left as it is."""
        known = self._targets.get(key)
        if known is not None and not known.draining:
            return
        self._targets.pop(key, None)
        self._targets[key] = Target.registered(key, now, self._lags)
        self._endpoints[key.id] = endpoint
        self._next_check.pop(key, None)

    def deregister(self, key: TargetKey, now: float) -> None:
        """Starts draining; a target that gets no traffic anyway is gone at once; an absent one is fine."""
        target = self._targets.get(key)
        if target is None:
            return
        if self._unused(target) is not None:
            self._forget(key)
            return
        self._targets[key] = target.deregistered(now, self.spec.delay, self._lags)

    def observe(self, endpoints: Mapping[str, Endpoint], now: float) -> None:
        """Takes in what the directory says now, and lets go of what is over."""
        for key, target in list(self._targets.items()):
            endpoint = endpoints.get(key.id)
            if endpoint is None:
                self._forget(key)
                continue
            self._endpoints[key.id] = endpoint
            self._targets[key] = target.powered(endpoint.running, now, self._lags)
            if self._left_by_itself(target, endpoint, now):
                self._forget(key)

    def _left_by_itself(self, target: Target, endpoint: Endpoint, now: float) -> bool:
        if target.cut_due(now):
            return True
        ended = endpoint.power is Power.TERMINATED
        return ended and (self.spec.kind is Kind.CLASSIC or target.draining)

    def _forget(self, key: TargetKey) -> None:
        del self._targets[key]
        self._next_check.pop(key, None)
        if not any(other.id == key.id for other in self._targets):
            self._endpoints.pop(key.id, None)

    def health(self, key: TargetKey, now: float) -> Health:
        """What the API says of a target, registered or not."""
        target = self._targets.get(key)
        if target is None or target.expired(now):
            return NOT_REGISTERED
        unused = None if target.draining else self._unused(target)
        return unused or target.health(now, self.spec.check, self.spec.unhealthy_drain)

    def hosts(self, now: float) -> tuple[int, int]:
        """How many registered targets are healthy and unhealthy; a classic balancer knows nothing between."""
        states = [self.health(key, now).state for key in self.registered()]
        healthy = states.count(State.HEALTHY)
        out = len(states) - healthy if self.spec.kind is Kind.CLASSIC else states.count(State.UNHEALTHY)
        return healthy, out

    def target(self, key: TargetKey) -> Target | None:
        return self._targets.get(key)

    def listed(self, now: float) -> list[TargetKey]:
        """What a describe without ids shows: the registered and the draining."""
        return [target.key for target in self if not target.expired(now)]

    def _unused(self, target: Target) -> Health | None:
        endpoint = self._endpoints[target.key.id]
        if not self.spec.attached:
            return NO_BALANCER
        if not self._zone_enabled(endpoint):
            return ZONE_NOT_ENABLED
        return None if endpoint.running else not_running(endpoint.power)

    # --- health checks -------------------------------------------------------------------------

    def due_checks(self, now: float, scale: float) -> list[Check]:
        """The checks to start now; each is due again an interval later."""
        due = []
        for target in self:
            if target.draining or not self.spec.check.enabled or self._unused(target) is not None:
                continue
            when = self._next_check.get(target.key, target.opens_at)
            if now < max(when, target.opens_at):
                continue
            self._next_check[target.key] = now + self.spec.check.scaled_interval(scale)
            due.append(Check(target.key, self._endpoints[target.key.id].address, self._check_port(target)))
        return due

    def _check_port(self, target: Target) -> int:
        return self.spec.check.port or target.key.port or min(self.spec.ports, default=0)

    def checked(self, key: TargetKey, probe: Probe, now: float) -> bool:
        """Takes in an outcome; True when it changed the verdict."""
        target = self._targets.get(key)
        if target is None or target.draining or now < target.opens_at:
            return False
        self._targets[key] = after = target.checked(probe, self.spec.check, now)
        return after.verdict is not target.verdict

    # --- the data plane ------------------------------------------------------------------------

    def drained(self, idle: Iterable[tuple[str, int]], now: float) -> None:
        """Marks as drained the closed targets whose hosts are all among `idle` (nothing in flight)."""
        free = set(idle)
        for key, target in list(self._targets.items()):
            if target.closed(now) and all(host in free for host in self._sockets(target)):
                self._targets[key] = replace(target, drained=True)

    def draining_sockets(self, now: float) -> list[tuple[str, int]]:
        """The hosts that get nothing new but may still have requests in flight."""
        closed = [target for target in self if target.closed(now) and not target.drained]
        return [socket for target in closed for socket in self._sockets(target)]

    def cut_sockets(self, now: float) -> list[tuple[str, int]]:
        """The hosts whose remaining connections have to end now: their delay has run out."""
        if not self.spec.ends_connections:
            return []
        return [socket for target in self if target.cut_due(now) for socket in self._sockets(target)]

    def sickened_sockets(self, since: float) -> list[tuple[str, int]]:
        """The hosts found unhealthy from `since` on, whose connections an NLB closes for that."""
        if not self.spec.ends_sick_connections:
            return []
        sick = [target for target in self if target.sick_since is not None and target.sick_since >= since]
        return [socket for target in sick for socket in self._sockets(target)]

    def _sockets(self, target: Target) -> list[tuple[str, int]]:
        address = self._endpoints[target.key.id].address
        ports = self.spec.ports or {target.key.port}
        return [(address, port) for port in sorted(ports)]

    def clusters(self, now: float) -> list[ClusterSpec]:
        """The proxy's clusters for this pool: one, or for a classic balancer one per instance port."""
        to_all = self.failing_open(now)
        present = [
            (self._endpoints[target.key.id].address, target, presence)
            for target in self
            if (presence := self._presence(target, now, to_all)) is not None
        ]
        if self.spec.kind is not Kind.CLASSIC:
            hosts = [Host(address, target.key.port, how) for address, target, how in present]
            return [ClusterSpec(self.spec.name, self.spec, _in_order(hosts))]
        return [
            ClusterSpec(
                classic_cluster(self.spec.name, port),
                self.spec,
                _in_order(Host(address, port, how) for address, _, how in present),
            )
            for port in sorted(self.spec.ports)
        ]

    def _candidates(self, now: float) -> list[Target]:
        return [
            target
            for target in self
            if target.open(now) and target.reachable(now, self._lags) and self._in_use(target)
        ]

    def _in_use(self, target: Target) -> bool:
        return self.spec.attached and self._zone_enabled(self._endpoints[target.key.id])

    def _zone_enabled(self, endpoint: Endpoint) -> bool:
        return endpoint.zone in self.spec.zones or not endpoint.zone

    def failing_open(self, now: float) -> bool:
        """Whether too few targets are healthy, so that every one of them gets traffic."""
        candidates = self._candidates(now)
        healthy = sum(self._healthy(target) for target in candidates)
        return self.spec.fail_open.applies(healthy, len(candidates))

    def _healthy(self, target: Target) -> bool:
        return target.verdict is Verdict.HEALTHY or not self.spec.check.enabled

    def _presence(self, target: Target, now: float, to_all: bool) -> Presence | None:
        if not self._in_use(target) or target.drained or not target.reachable(now, self._lags):
            return None
        if target.closed(now):
            return None if target.cut_due(now) else Presence.DRAINING
        if not target.open(now):
            return None
        return Presence.SERVING if to_all or self._healthy(target) else Presence.SICK


def classic_cluster(pool: str, port: int) -> str:
    """The name of the cluster that serves one instance port of a classic balancer."""
    return f"{pool}-{port}"


def _in_order(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """An order that does not depend on the calls' order, so that nothing is published needlessly."""
    return tuple(sorted(hosts, key=lambda host: (host.address, host.port)))
