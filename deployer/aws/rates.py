"""Token buckets of our own, so that a rollout keeps within AWS's published request rates.

The numbers are those of the EC2 and Elastic Load Balancing user guides ("request throttling"). The buckets
belong to the whole account and region, so other programs drink from them too: after a throttled answer our
copy is emptied, and calls go on at the refill rate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Rate:
    """How many requests may come at once (`burst`), and how many a second after that (`refill`)."""

    burst: float
    refill: float


class Group(Enum):
    """The API groups that AWS throttles together."""

    EC2_DESCRIBE = "EC2 describe with a filter or pages"
    EC2_DESCRIBE_PLAIN = "EC2 describe with neither"
    EC2_MUTATE = "EC2 mutating"
    EC2_START = "RunInstances and StartInstances requests"
    EC2_START_INSTANCES = "instances started"
    EC2_TERMINATE = "TerminateInstances requests"
    EC2_TERMINATE_INSTANCES = "instances terminated"
    EC2_SNAPSHOT = "CreateSnapshots, DeregisterImage"
    EC2_TAG = "CreateTags"
    ELB_ALL = "all load balancing calls"
    ELB_DESCRIBE = "load balancing describe"
    ELB_MUTATE = "load balancing mutating"
    ELB_REGISTER = "register and deregister"


RATES: Mapping[Group, Rate] = {
    Group.EC2_DESCRIBE: Rate(100, 20),
    Group.EC2_DESCRIBE_PLAIN: Rate(50, 10),
    Group.EC2_MUTATE: Rate(50, 5),
    Group.EC2_START: Rate(5, 2),
    Group.EC2_START_INSTANCES: Rate(1000, 2),
    Group.EC2_TERMINATE: Rate(100, 5),
    Group.EC2_TERMINATE_INSTANCES: Rate(1000, 20),
    Group.EC2_SNAPSHOT: Rate(100, 5),
    Group.EC2_TAG: Rate(100, 10),
    Group.ELB_ALL: Rate(40, 10),
    Group.ELB_DESCRIBE: Rate(40, 10),
    Group.ELB_MUTATE: Rate(20, 3),
    Group.ELB_REGISTER: Rate(20, 4),
}

_EC2_BY_NAME: Mapping[str, Group] = {
    "RunInstances": Group.EC2_START,
    "StartInstances": Group.EC2_START,
    "TerminateInstances": Group.EC2_TERMINATE,
    "CreateSnapshots": Group.EC2_SNAPSHOT,
    "DeregisterImage": Group.EC2_SNAPSHOT,
    "CreateTags": Group.EC2_TAG,
}
_EC2_BY_INSTANCE: Mapping[str, Group] = {
    "RunInstances": Group.EC2_START_INSTANCES,
    "StartInstances": Group.EC2_START_INSTANCES,
    "TerminateInstances": Group.EC2_TERMINATE_INSTANCES,
}
_REGISTERING = frozenset(
    {
        "RegisterTargets",
        "DeregisterTargets",
        "RegisterInstancesWithLoadBalancer",
        "DeregisterInstancesFromLoadBalancer",
    }
)


def groups_of(service: str, operation: str, *, filtered: bool = False, instances: int = 1) -> Mapping[Group, int]:
    """The groups that one request draws on, and how many tokens from each.

    `service` is botocore's name. `filtered` tells a describe with a filter or pages from a bare one,
    `instances` how many the request starts or terminates. Services that are not throttled here → empty.
    """
    if service == "ec2":
        return _ec2_groups(operation, filtered, instances)
    if service in ("elb", "elbv2"):
        return {Group.ELB_ALL: 1, _elb_group(operation): 1}
    return {}


def _ec2_groups(operation: str, filtered: bool, instances: int) -> Mapping[Group, int]:
    if operation.startswith(("Describe", "Get")):
        return {Group.EC2_DESCRIBE if filtered else Group.EC2_DESCRIBE_PLAIN: 1}
    groups = {_EC2_BY_NAME.get(operation, Group.EC2_MUTATE): 1}
    if counted := _EC2_BY_INSTANCE.get(operation):
        groups[counted] = instances
    return groups


def _elb_group(operation: str) -> Group:
    if operation.startswith("Describe"):
        return Group.ELB_DESCRIBE
    return Group.ELB_REGISTER if operation in _REGISTERING else Group.ELB_MUTATE


class Bucket:
    """One token bucket. Not thread-safe by itself: `Limiter` holds the lock.

    Tokens may go below zero: a caller that finds none takes its token at once and waits until it is due, so
    waiting callers keep their order and nobody starves.
    """

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def reserve(self, now: float, tokens: int = 1) -> float:
        """Takes `tokens` and returns how many seconds to wait before using them."""
        self._refill(now)
        self._tokens -= tokens
        return max(0.0, -self._tokens / self._rate.refill)

    def empty(self, now: float) -> None:
        """Forgets what is left: AWS said that there was nothing."""
        self._refill(now)
        self._tokens = min(self._tokens, 0.0)

    def _refill(self, now: float) -> None:
        gained = max(0.0, now - self._at) * self._rate.refill
        self._tokens = min(float(self._rate.burst), self._tokens + gained)
        self._at = max(self._at, now)


class Limiter:
    """All buckets of one session; safe to call from any thread. `clock` is monotonic seconds."""

    def __init__(
        self,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        rates: Mapping[Group, Rate] = RATES,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        now = clock()
        self._buckets = {group: Bucket(rate, now) for group, rate in rates.items()}

    def take(self, groups: Mapping[Group, int]) -> float:
        """Waits until every group allows it; returns the seconds waited."""
        with self._lock:
            now = self._clock()
            wait = max((self._buckets[group].reserve(now, tokens) for group, tokens in groups.items()), default=0.0)
        if wait > 0:
            self._sleep(wait)
        return wait

    def throttled(self, groups: Mapping[Group, int]) -> None:
        """Empties the buckets of a request that AWS has just throttled."""
        with self._lock:
            now = self._clock()
            for group in groups:
                self._buckets[group].empty(now)
