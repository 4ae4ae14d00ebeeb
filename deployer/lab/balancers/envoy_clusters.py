"""Envoy's bootstrap, clusters and endpoints, as the JSON documents it reads. Pure.

The settings are measured: each deviation from Envoy's defaults is there because the default
behaves unlike an Elastic Load Balancer; the reason stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployer.lab.balancers.specs import ClusterSpec, Kind

JsonObject = dict[str, Any]

TYPE = "type.googleapis.com/"
CLUSTER_TYPE = TYPE + "envoy.config.cluster.v3.Cluster"
ENDPOINT_TYPE = TYPE + "envoy.config.endpoint.v3.ClusterLoadAssignment"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_TIMEOUT = 10
"""Seconds that an Elastic Load Balancer waits for a connection before it answers 504."""
UNLIMITED = 1_000_000

POLICIES: Mapping[str, str] = {
    "round_robin": "ROUND_ROBIN",
    "least_outstanding_requests": "LEAST_REQUEST",
    "weighted_random": "RANDOM",
}


def seconds(value: float) -> str:
    """A protobuf duration."""
    return f"{value:g}s"


def file_source(path: Path) -> JsonObject:
    """A configuration source that follows atomic replacements of one file."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def document(resource_type: str, resources: list[JsonObject]) -> JsonObject:
    """A discovery response: what every file that Envoy follows holds."""
    return {"resources": [{"@type": resource_type, **resource} for resource in resources]}


def bootstrap(admin: str, folder: Path) -> JsonObject:
    """Envoy's start-up configuration: `admin` is the path of its admin socket (owner only)."""
    return {
        "node": {"id": "lab", "cluster": "lab"},
        "admin": {"address": {"pipe": {"path": admin, "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": file_source(folder / "lds.json"),
            "cds_config": file_source(folder / "cds.json"),
        },
    }


def cluster(spec: ClusterSpec, folder: Path) -> JsonObject:
    """One cluster; its hosts come from a file of its own, `endpoints`."""
    pool = spec.pool
    policy = POLICIES.get(pool.algorithm, "ROUND_ROBIN")
    result: JsonObject = {
        "name": spec.name,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": file_source(endpoints_file(folder, spec.name))},
        "connect_timeout": seconds(CONNECT_TIMEOUT),
        "lb_policy": policy,
        "common_lb_config": {
            # By default health changes wait up to a second for others to be merged with.
            "update_merge_window": "0s",
            # The pool decides when to fail open and marks every host as serving then; Envoy's own
            # panic would also send requests to draining hosts, where an ALB answers 503.
            "healthy_panic_threshold": {"value": 0},
        },
        # A removed host that still passes checks would otherwise go on getting requests.
        "ignore_health_on_host_removal": True,
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": UNLIMITED,
                    "max_pending_requests": UNLIMITED,
                    "max_requests": UNLIMITED,
                    # An Elastic Load Balancer never sends a request a second time.
                    "max_retries": 0,
                }
            ]
        },
        # Its own source address tells a pool's connections from another pool's to the same host.
        "upstream_bind_config": {"source_address": {"address": pool.source, "port_value": 0}},
    }
    if pool.kind is not Kind.NETWORK:
        options = {
            "@type": TYPE + HTTP_OPTIONS,
            "explicit_http_config": {"http_protocol_options": {}},
            "common_http_protocol_options": {"idle_timeout": seconds(pool.idle_timeout)},
        }
        result["typed_extension_protocol_options"] = {HTTP_OPTIONS: options}
    if pool.slow_start and policy == "ROUND_ROBIN":
        window = {"slow_start_config": {"slow_start_window": seconds(pool.slow_start)}}
        result["round_robin_lb_config"] = window
    return result


def endpoints(spec: ClusterSpec) -> JsonObject:
    """The hosts of a cluster, with the presence of each as its health."""
    hosts = [
        {
            "endpoint": {"address": {"socket_address": {"address": host.address, "port_value": host.port}}},
            "health_status": host.presence.value,
        }
        for host in spec.hosts
    ]
    return {"cluster_name": spec.name, "endpoints": [{"lb_endpoints": hosts}]}


def endpoints_file(folder: Path, name: str) -> Path:
    """The file with a cluster's hosts."""
    return folder / f"eds-{name}.json"
