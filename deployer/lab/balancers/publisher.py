"""Writes the proxy's files, in the order that never leaves a route without its cluster."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.lab.balancers import envoy_clusters, envoy_listeners
from deployer.lab.balancers.envoy_clusters import JsonObject, document
from deployer.lab.balancers.envoy_process import EnvoyProcess
from deployer.lab.balancers.specs import ClusterSpec, Forward, ListenerSpec

LINGER = 10
"""How many turns a cluster outlives its last use: requests on an older route may still choose it."""


class Publisher:
    """Turns clusters and listeners into Envoy's files; only those that changed are replaced.

    Makes before it breaks: a new cluster is there one turn before the first route to it, and an
    old one stays for some turns after the last.
    """

    def __init__(self, proxy: EnvoyProcess) -> None:
        self._proxy = proxy
        self._folder = proxy.folder
        self._turn = 0
        self._clusters: dict[str, tuple[JsonObject, int]] = {}
        self._specs: dict[str, ClusterSpec] = {}

    def publish(self, clusters: Sequence[ClusterSpec], listeners: Sequence[ListenerSpec]) -> None:
        """One turn: brings the files to what is wanted now."""
        self._turn += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._publish_clusters(clusters):
            return
        ready = [spec for spec in listeners if _targets(spec) <= set(self._clusters)]
        self._publish_listeners(ready)
        self._sweep(ready)

    def _publish_clusters(self, clusters: Sequence[ClusterSpec]) -> bool:
        """Hosts, then clusters; True when there are new ones, whose routes have to wait."""
        fresh = any(spec.name not in self._clusters for spec in clusters)
        for spec in clusters:
            if self._specs.get(spec.name) != spec or spec.name not in self._clusters:
                self._write_hosts(spec)
            self._clusters[spec.name] = (envoy_clusters.cluster(spec, self._folder), self._turn)
        oldest = self._turn - LINGER
        self._clusters = {name: entry for name, entry in self._clusters.items() if entry[1] > oldest}
        resources = [resource for resource, _ in self._clusters.values()]
        self._proxy.write(self._folder / "cds.json", document(envoy_clusters.CLUSTER_TYPE, resources))
        return fresh

    def _write_hosts(self, spec: ClusterSpec) -> None:
        path = envoy_clusters.endpoints_file(self._folder, spec.name)
        hosts = document(envoy_clusters.ENDPOINT_TYPE, [envoy_clusters.endpoints(spec)])
        self._proxy.write(path, hosts)
        self._specs[spec.name] = spec

    def _publish_listeners(self, listeners: Sequence[ListenerSpec]) -> None:
        """Routes, then listeners."""
        for spec in listeners:
            if spec.http:
                content = document(envoy_listeners.ROUTES_TYPE, [envoy_listeners.routes(spec)])
                self._proxy.write(envoy_listeners.routes_file(self._folder, spec.name), content)
        resources = [envoy_listeners.listener(spec, self._folder) for spec in listeners]
        self._proxy.write(self._folder / "lds.json", document(envoy_listeners.LISTENER_TYPE, resources))

    def _sweep(self, listeners: Sequence[ListenerSpec]) -> None:
        used = {envoy_clusters.endpoints_file(self._folder, name) for name in self._clusters}
        used |= {envoy_listeners.routes_file(self._folder, spec.name) for spec in listeners if spec.http}
        for path in list(self._proxy.written()):
            if path.name.startswith(("eds-", "rds-")) and path not in used:
                self._proxy.remove(path)


def _targets(listener: ListenerSpec) -> set[str]:
    forwards = [rule.action for rule in listener.rules if isinstance(rule.action, Forward)]
    return {share.cluster for action in forwards for share in action.shares}
