"""Reads the bookkeeping that moto keeps for classic balancers into the descriptions of `specs`."""

from __future__ import annotations

from typing import Any

from deployer.lab.balancers.addresses import Addresses, bound_port
from deployer.lab.balancers.health import HealthCheck
from deployer.lab.balancers.pool import classic_cluster
from deployer.lab.balancers.specs import NEVER, Forward, Kind, ListenerSpec, PoolSpec, Rule, Share

HTTP_PROTOCOLS = frozenset({"HTTP", "HTTPS"})


def pool_name(balancer: str) -> str:
    """The pool of a classic balancer."""
    return "clb-" + balancer


def listener_name(pool: str, port: int) -> str:
    """The name of a listener's spec."""
    return f"{pool}-listener-{port}"


def pool_spec(balancer: Any, addresses: Addresses) -> PoolSpec:
    """A classic balancer's instances, with its health check and attributes."""
    name = pool_name(balancer.name)
    draining = balancer.attributes["connection_draining"]
    enabled = str(setting(draining, "Enabled", False)).lower() == "true"
    return PoolSpec(
        name=name,
        kind=Kind.CLASSIC,
        check=health_check(balancer.health_check),
        delay=float(setting(draining, "Timeout", 300)) if enabled else 0.0,
        attached=True,
        zones=frozenset(balancer.availability_zones),
        fail_open=NEVER,
        source=addresses.source(name),
        idle_timeout=idle_timeout(balancer),
        ports=frozenset(int(listener.instance_port) for listener in balancer.listeners),
    )


def setting(values: Any, name: str, default: Any) -> Any:
    """One value of an attribute; moto keeps its own defaults in lower case, and what it was given."""
    snake = {"IdleTimeout": "idle_timeout"}.get(name, name.lower())
    for key in (name, snake):
        if key in values:
            return values[key]
    return default


def idle_timeout(balancer: Any) -> float:
    """A classic balancer's idle timeout in seconds."""
    return float(setting(balancer.attributes["connection_settings"], "IdleTimeout", 60))


def health_check(check: Any) -> HealthCheck:
    """`HTTP:8080/path`, `TCP:8080`; HTTPS and SSL are checked as a TCP connection."""
    protocol, _, rest = str(check.target).partition(":")
    port, slash, path = rest.partition("/")
    return HealthCheck(
        protocol="HTTP" if protocol.upper() == "HTTP" else "TCP",
        port=int(port),
        path=slash + path or "/",
        interval=float(check.interval),
        timeout=float(check.timeout),
        healthy_threshold=int(check.healthy_threshold),
        unhealthy_threshold=int(check.unhealthy_threshold),
        first_pass_is_enough=False,
    )


def listener_specs(balancer: Any, addresses: Addresses) -> list[ListenerSpec]:
    """A classic balancer's listeners: each sends to one instance port."""
    specs = []
    for listener in list(balancer.listeners):
        port = int(listener.load_balancer_port)
        cluster = classic_cluster(pool_name(balancer.name), int(listener.instance_port))
        specs.append(
            ListenerSpec(
                name=listener_name(pool_name(balancer.name), port),
                address=addresses.balancer(pool_name(balancer.name)),
                port=bound_port(port),
                http=listener.protocol in HTTP_PROTOCOLS,
                rules=(Rule(Forward((Share(cluster),))),),
                public_port=port,
                idle_timeout=idle_timeout(balancer),
            )
        )
    return specs
