"""How many instances a zone can still take: unlimited until somebody sets a limit."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from deployer.lab.context import Power
from deployer.lab.ec2.errors import ApiError
from deployer.lab.ec2.records import Instance

_HOLDING = frozenset({Power.PENDING, Power.RUNNING, Power.STOPPING, Power.SHUTTING_DOWN})
"""A stopped instance gives its capacity back, as on EC2; it may fail to start again."""


class Capacity:
    """Limits by zone and instance type; None stands for any."""

    def __init__(self) -> None:
        self._limits: dict[tuple[str | None, str | None], int] = {}
        self._lock = threading.Lock()

    def limit(self, most: int | None, zone: str | None = None, instance_type: str | None = None) -> None:
        """Allows `most` instances in `zone` and of `instance_type`; None takes the limit away."""
        with self._lock:
            if most is None:
                self._limits.pop((zone, instance_type), None)
            else:
                self._limits[zone, instance_type] = most

    def room(self, instances: Iterable[Instance], zone: str, instance_type: str, wanted: int) -> int:
        """How many of `wanted` fit beside `instances`."""
        with self._lock:
            limits = dict(self._limits)
        holding = [i for i in instances if i.power in _HOLDING]
        for (in_zone, of_type), most in limits.items():
            if in_zone not in (None, zone) or of_type not in (None, instance_type):
                continue
            used = sum(in_zone in (None, i.zone) and of_type in (None, i.type) for i in holding)
            wanted = min(wanted, most - used)
        return max(wanted, 0)


def insufficient(zone: str, instance_type: str) -> ApiError:
    """A server error (HTTP 500) in EC2's table of error codes."""
    return ApiError(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you "
        f"requested ({zone}). Our system will be working on provisioning additional capacity.",
        status=500,
    )
