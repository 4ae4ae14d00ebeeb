"""AWS's API rates, in token buckets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Bucket:
    """A token bucket, as AWS throttles its APIs: `burst` calls at once, `refill` more each second."""

    burst: float
    refill: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _filled: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._tokens = self.burst
        self._filled = self.clock()

    def take(self) -> bool:
        """One token, if there is one."""
        with self._lock:
            now = self.clock()
            self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.refill)
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


@dataclass(frozen=True)
class Rate:
    """A bucket's size: calls at once, and calls a second."""

    burst: float
    refill: float


_EC2_RATES = {
    "RunInstances": Rate(5, 2),
    "StartInstances": Rate(5, 2),
    "TerminateInstances": Rate(100, 5),
    "CreateSnapshot": Rate(100, 5),
    "CreateSnapshots": Rate(100, 5),
    "DeregisterImage": Rate(100, 5),
    "CreateLaunchTemplateVersion": Rate(100, 5),
    "CreateTags": Rate(100, 10),
    "CopyImage": Rate(100, 1),
}
_EC2_DESCRIBE_NARROW, _EC2_DESCRIBE_ALL, _EC2_CHANGE = Rate(100, 20), Rate(50, 10), Rate(50, 5)
_ELB_DESCRIBE, _ELB_CHANGE, _ELB_TARGETS = Rate(40, 10), Rate(20, 3), Rate(20, 4)
_ELB_TARGET_ACTIONS = frozenset(
    {
        "RegisterTargets",
        "DeregisterTargets",
        "RegisterInstancesWithLoadBalancer",
        "DeregisterInstancesFromLoadBalancer",
    }
)


def bucket_of(service: str, action: str, narrow: bool) -> tuple[str, Rate] | None:
    """The bucket that a call draws on, by name, and its size; None for a service without published rates.

    `narrow` says that a Describe call has a filter, ids or pages; without, EC2 draws on a smaller bucket.
    From the EC2 API reference, request throttling, and Elastic Load Balancing's API throttling.
    """
    describes = action.startswith(("Describe", "Get"))
    match service:
        case "ec2" if describes:
            return (f"{action} narrow", _EC2_DESCRIBE_NARROW) if narrow else (action, _EC2_DESCRIBE_ALL)
        case "ec2":
            return action, _EC2_RATES.get(action, _EC2_CHANGE)
        case "elasticloadbalancing" if describes:
            return "ELB describe", _ELB_DESCRIBE
        case "elasticloadbalancing" if action in _ELB_TARGET_ACTIONS:
            return "ELB targets", _ELB_TARGETS
        case "elasticloadbalancing":
            return "ELB change", _ELB_CHANGE
        case _:
            return None


class Throttle:
    """Buckets of one lab; off until it is switched on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.on = False
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def admits(self, service: str, action: str, narrow: bool) -> bool:
        """Whether the call stays within the published rates."""
        drawn = bucket_of(service, action, narrow) if self.on else None
        if drawn is None:
            return True
        name, rate = drawn
        with self._lock:
            bucket = self._buckets.setdefault(name, Bucket(rate.burst, rate.refill, self._clock))
        return bucket.take()
