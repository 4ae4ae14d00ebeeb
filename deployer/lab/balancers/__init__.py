"""Elastic Load Balancing in the lab: ALB, NLB and classic balancers with a real proxy behind them."""

from __future__ import annotations

from typing import Any

from moto.elb.models import elb_backends
from moto.elb.responses import ELBResponse
from moto.elbv2.models import elbv2_backends

from deployer.lab.balancers import classic, classic_catalogue, elbv2_catalogue
from deployer.lab.balancers.addresses import Addresses, bound_port
from deployer.lab.balancers.classic import LabELBBackend
from deployer.lab.balancers.control import Catalogue, ControlPlane
from deployer.lab.balancers.counting import Counts, counts
from deployer.lab.balancers.elbv2 import LabELBv2Backend
from deployer.lab.balancers.envoy_process import EnvoyProcess, ProxyError
from deployer.lab.balancers.room import Room
from deployer.lab.context import LabContext

__all__ = ["Balancers", "Counts", "ProxyError", "install"]


class Balancers:
    """The balancers of a running lab."""

    def __init__(self, context: LabContext) -> None:
        self._context = context
        self._addresses = Addresses(context.network)
        self._proxy = EnvoyProcess(context.directory.proxy)
        self._plane = ControlPlane(context.instances, context.settings, self._proxy, self._read)

    def start(self) -> None:
        """Starts the proxy and takes over moto's backends; raises ProxyError when it does not start."""
        room = Room(self._plane, self._addresses, self._context.instances)
        elbv2_backends.backend = LabELBv2Backend.bound_to(room)
        elb_backends.backend = LabELBBackend.bound_to(room)
        elbv2_backends.clear()
        elb_backends.clear()
        for action in classic.ACTIONS:
            setattr(ELBResponse, action.__name__, action)
        self._plane.start()

    def stop(self) -> None:
        """Ends the proxy; connections through it break."""
        self._plane.stop()

    @property
    def proxy_pid(self) -> int | None:
        """The proxy's process id; None while it is being started again."""
        return self._proxy.pid

    def endpoints(self) -> dict[str, tuple[str, int]]:
        """Where each balancer is really reached: name → (address, port) of its first listener."""
        elbv2, elb = self._backends()
        found = {}
        for balancer in list(elbv2.load_balancers.values()):
            ports = [int(listener.port) for listener in list(balancer.listeners.values())]
            if ports:
                found[balancer.name] = (balancer.dns_name, bound_port(ports[0]))
        for balancer in list(elb.load_balancers.values()):
            port = bound_port(int(balancer.listeners[0].load_balancer_port))
            found[balancer.name] = (balancer.dns_name, port)
        return found

    def counted(self) -> Counts:
        """What was answered since the last time this was called, and how many targets are healthy now."""
        elbv2, elb = self._backends()
        traffic, hosts = self._plane.take_traffic(), self._plane.hosts()
        return counts(traffic, hosts, list(elbv2.load_balancers.values()), list(elb.load_balancers.values()))

    def _backends(self) -> tuple[Any, Any]:
        settings = self._context.settings
        return (
            elbv2_backends[settings.account][settings.region],
            elb_backends[settings.account][settings.region],
        )

    def _read(self) -> Catalogue:
        elbv2, elb = self._backends()
        addresses = self._addresses
        balancers = list(elbv2.load_balancers.values())
        classics = list(elb.load_balancers.values())
        groups = dict(elbv2.target_groups)
        pools = [elbv2_catalogue.pool_spec(group, balancers, addresses) for group in groups.values()]
        pools += [classic_catalogue.pool_spec(balancer, addresses) for balancer in classics]
        listeners = [
            spec for balancer in balancers for spec in elbv2_catalogue.listener_specs(balancer, groups, addresses)
        ]
        listeners += [
            spec for balancer in classics for spec in classic_catalogue.listener_specs(balancer, addresses)
        ]
        return Catalogue(tuple(pools), tuple(listeners))


def install(context: LabContext) -> Balancers:
    """Puts live balancers behind moto's ELB and ELBv2 APIs in this process, and starts the proxy.

    Call it once, before the API server takes requests. Raises ProxyError when Envoy does not start.
    """
    balancers = Balancers(context)
    balancers.start()
    return balancers
