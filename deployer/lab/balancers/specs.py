"""What is configured: frozen descriptions that the API side hands to the pools and to the proxy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from deployer.lab.balancers.health import HealthCheck


class Kind(Enum):
    """The three kinds of balancer; they differ in drains, thresholds and failing open."""

    APPLICATION = "application"
    NETWORK = "network"
    CLASSIC = "classic"


@dataclass(frozen=True)
class FailOpen:
    """`unhealthy_state_routing.minimum_healthy_targets`: fewer healthy ones, and all get traffic."""

    count: int = 1
    percentage: int | None = None

    def applies(self, healthy: int, registered: int) -> bool:
        share = 0 if self.percentage is None else math.ceil(registered * self.percentage / 100)
        return healthy < max(self.count, share)


NEVER = FailOpen(count=0)
"""A classic balancer never fails open: without a healthy instance it answers 503."""


@dataclass(frozen=True)
class PoolSpec:
    """A set of targets that share a health check: a target group, or a classic balancer's instances."""

    name: str
    """Unique in the lab, and fit for a file name."""
    kind: Kind
    check: HealthCheck
    delay: float = 300.0
    """The deregistration delay in seconds; 0 where a classic balancer does not drain."""
    attached: bool = False
    """Whether a listener or rule of a balancer sends it traffic."""
    zones: frozenset[str] = frozenset()
    """The balancer's zones."""
    fail_open: FailOpen = FailOpen()
    slow_start: float = 0.0
    algorithm: str = "round_robin"
    ends_connections: bool = True
    """Whether what is still open at the end of the delay is cut (an NLB lets it be, by default)."""
    ends_sick_connections: bool = False
    """An NLB's `target_health_state.unhealthy.connection_termination.enabled`."""
    unhealthy_drain: float = 0.0
    """An NLB's `target_health_state.unhealthy.draining_interval_seconds`."""
    source: str = "127.0.0.1"
    """The address that connections to the targets come from; each pool has its own."""
    idle_timeout: float = 60.0
    ports: frozenset[int] = frozenset()
    """Classic only: the instance ports of its listeners. Empty: each target has its own port."""


@dataclass(frozen=True)
class Share:
    """One cluster's part of a forward action; with weight 0 it gets nothing new."""

    cluster: str
    weight: int = 1
    sticky: float | None = None
    """How many seconds the balancer's cookie binds a client to one target; None: not at all."""


@dataclass(frozen=True)
class Forward:
    """Sends to clusters by weight."""

    shares: tuple[Share, ...]
    sticky: float | None = None
    """How many seconds a cookie binds a client to the group first chosen for it."""


@dataclass(frozen=True)
class FixedResponse:
    """Answers by itself."""

    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True)
class Redirect:
    """Sends the client elsewhere; None keeps that part of the request's URL."""

    status: int
    protocol: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None


Action = Forward | FixedResponse | Redirect


@dataclass(frozen=True)
class Rule:
    """A listener rule; empty conditions match everything. Wildcards are ELBv2's `*` and `?`."""

    action: Action
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class ListenerSpec:
    """One port of a balancer. The rules are in the order in which they are tried."""

    name: str
    address: str
    port: int
    """The port that is really bound."""
    http: bool
    rules: tuple[Rule, ...]
    public_port: int = 80
    """The port that the API shows."""
    idle_timeout: float = 60.0


class Presence(Enum):
    """How a host stands in the proxy's configuration."""

    SERVING = "HEALTHY"
    DRAINING = "DRAINING"
    """No new requests; what is in flight goes on."""
    SICK = "UNHEALTHY"


@dataclass(frozen=True)
class Host:
    """An address in a cluster."""

    address: str
    port: int
    presence: Presence = Presence.SERVING


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster of the proxy with the hosts it has now."""

    name: str
    pool: PoolSpec
    hosts: tuple[Host, ...]
