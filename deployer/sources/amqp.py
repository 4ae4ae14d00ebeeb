"""How many messages RabbitMQ has given to a worker and has not had back: its consumers' unacknowledged ones.

[RabbitMQ management HTTP API reference: GET /api/channels has `messages_unacknowledged` and `connection_details`
with `peer_host` of each channel; GET /api/consumers/VHOST has `queue` and `channel_details` of each consumer]
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deployer.model.hosts import Host
from deployer.remote.errors import RemoteError

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class BrokerJobs:
    """RabbitMQ's management API. Its figures may be 5 s old (`collect_statistics_interval`)."""

    url: str
    vhost: str
    queues: frozenset[str]
    user: str
    password: str
    seconds: float = 5.0

    def jobs(self, host: Host) -> int:
        """Unacknowledged on all channels of connections from this host, and 1 while one still consumes."""
        addresses = {host.address, *host.addresses}
        try:
            channels, consumers = self._ask("channels"), self._ask(f"consumers/{quote(self.vhost, safe='')}")
            return held_by(addresses, self.vhost, self.queues, channels, consumers)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            said = problem.reason if isinstance(problem, urllib.error.URLError) else problem
            raise RemoteError(
                f"{host.instance}: {self.url} does not tell its unacknowledged messages: {said}"
            ) from problem

    def _ask(self, what: str) -> Sequence[Mapping[str, Any]]:
        request = urllib.request.Request(f"{self.url.rstrip('/')}/api/{what}")  # noqa: S310 (the pattern says http)
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
        with _DIRECT.open(request, timeout=self.seconds) as answer:
            found = json.load(answer)
        if not isinstance(found, list):
            raise ValueError(f"/api/{what} answered no list")
        return found


def held_by(
    addresses: set[str],
    vhost: str,
    queues: frozenset[str],
    channels: Sequence[Mapping[str, Any]],
    consumers: Sequence[Mapping[str, Any]],
) -> int:
    """The messages that connections from `addresses` hold. One that still consumes counts as having one more: the
    broker may be giving it a message now."""
    unacknowledged = sum(
        int(one["messages_unacknowledged"])
        for one in channels
        if one.get("vhost") == vhost and one["connection_details"].get("peer_host") in addresses
    )
    consuming = any(
        one["queue"]["name"] in queues and one["channel_details"].get("peer_host") in addresses for one in consumers
    )
    return unacknowledged + consuming
