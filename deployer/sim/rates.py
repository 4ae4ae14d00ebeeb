"""AWS's published token buckets, as the twin's cloud applies them to requests (EC2 and ELB user guides)."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.sim.time import VirtualTime

PUBLISHED: dict[str, tuple[float, float]] = {
    "DescribeInstances": (100, 20),
    "DescribeTargetHealth": (40, 10),
    "RunInstances": (5, 2),
    "TerminateInstances": (100, 5),
    "RegisterTargets": (20, 4),
    "DeregisterTargets": (20, 4),
    "CreateTags": (100, 10),
    "ModifyRule": (20, 3),
}
"""Burst and refill per second of the requests that the twin's cloud knows."""


@dataclass
class Buckets:
    """The account's buckets in one region; registering and deregistering drink from one."""

    time: VirtualTime
    _level: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, operation: str) -> bool:
        """Takes one request's token; False when there is none and the request is throttled."""
        shared = "RegisterTargets" if operation == "DeregisterTargets" else operation
        burst, refill = PUBLISHED[operation]
        level, since = self._level.get(shared, (burst, self.time.now))
        level = min(burst, level + (self.time.now - since) * refill)
        enough = level >= 1.0
        self._level[shared] = (level - 1.0 if enough else level, self.time.now)
        return enough

    def empty(self) -> None:
        """Other programs of the account have drunk everything."""
        for operation in PUBLISHED:
            self._level[operation] = (0.0, self.time.now)
