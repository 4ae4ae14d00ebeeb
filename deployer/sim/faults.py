"""The faults of the twin: each a name, the number it has in the list of faults, and what sets it off."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum


class Fault(Enum):
    """What can go wrong. The number is that of the list that the deployer must survive; see `catalogue`.

    From 101 on they are the twin's own.
    """

    THROTTLED = 1
    LAUNCH_ANSWER_LOST = 2
    TERMINATE_ANSWER_LOST = 4
    NOT_FOUND_AFTER_CREATE = 5
    NOT_FOUND_ON_TERMINATE = 6
    STALE_DESCRIBE = 7
    NO_CAPACITY = 8
    QUOTA = 9
    TOKEN_MISMATCH = 10
    DIES_DRAINING = 11
    NEVER_HEALTHY = 12
    FLAPS = 13
    WRONG_RELEASE = 14
    ALL_UNHEALTHY = 15
    UNRELATED_DEATH = 16
    GROUP_REPLACES = 17
    SCALE_IN = 18
    SCALE_OUT = 19
    SPOT_NOTICE = 20
    WALL_CLOCK_JUMPS = 21
    CREDENTIALS_EXPIRE = 22
    ACCESS_DENIED = 23
    HOST_HANGS = 24
    CONNECTION_DROPS = 25
    DISK_FULL = 27
    PART_REGISTERED = 28
    BAD_ID_IN_BATCH = 29
    PROTECTED = 30
    ROLLBACK_TARGET_GONE = 33
    LEASE_LOST = 34
    HOLDER_PAUSED = 35
    STATE_STORE_DOWN = 36
    JOURNAL_TORN = 37
    SIGNALS = 38
    CI_CANCELS = 39
    OPERATOR_DETACHES = 40
    SECOND_ROLLOUT = 41
    ENDPOINT_DOWN = 42
    ALARM = 43
    ALARM_WITHOUT_DATA = 44
    HOOK_HANGS = 45
    TARGETS_MISSING = 46
    UNEVEN_DRAIN = 47
    BUNDLE_DIFFERS = 48
    NO_TRAFFIC = 50
    HALF_CLOSED = 57
    OTHER_PORT = 58
    HIDDEN_CONNECTIONS = 59
    JOB_UNDER_WAY = 70
    SICK_LATER = 101
    JOBS_UNKNOWN = 102
    STOPPED_IN_CALL = 103
    STOPPED_IN_RETRY = 104


WINDOWS = frozenset(
    {
        Fault.THROTTLED,
        Fault.NOT_FOUND_AFTER_CREATE,
        Fault.STALE_DESCRIBE,
        Fault.NO_CAPACITY,
        Fault.QUOTA,
        Fault.ALL_UNHEALTHY,
        Fault.CREDENTIALS_EXPIRE,
        Fault.ACCESS_DENIED,
        Fault.HOST_HANGS,
        Fault.STATE_STORE_DOWN,
        Fault.ENDPOINT_DOWN,
        Fault.ALARM,
        Fault.ALARM_WITHOUT_DATA,
        Fault.TARGETS_MISSING,
        Fault.JOBS_UNKNOWN,
    }
)
"""Faults that last for a while."""

NEXT = frozenset(
    {
        Fault.LAUNCH_ANSWER_LOST,
        Fault.TERMINATE_ANSWER_LOST,
        Fault.NOT_FOUND_ON_TERMINATE,
        Fault.TOKEN_MISMATCH,
        Fault.DIES_DRAINING,
        Fault.NEVER_HEALTHY,
        Fault.FLAPS,
        Fault.WRONG_RELEASE,
        Fault.SICK_LATER,
        Fault.NO_TRAFFIC,
        Fault.CONNECTION_DROPS,
        Fault.DISK_FULL,
        Fault.BUNDLE_DIFFERS,
        Fault.HOOK_HANGS,
        Fault.PART_REGISTERED,
        Fault.UNEVEN_DRAIN,
        Fault.BAD_ID_IN_BATCH,
        Fault.PROTECTED,
        Fault.STOPPED_IN_CALL,
        Fault.STOPPED_IN_RETRY,
    }
)
"""Faults that befall the next call, launch or update of their kind."""


OF_TRAFFIC = frozenset({Fault.HALF_CLOSED, Fault.OTHER_PORT, Fault.HIDDEN_CONNECTIONS, Fault.JOB_UNDER_WAY})
"""What a world's traffic or work is like, from its first day: part of the setup, in no schedule."""


@dataclass(frozen=True)
class Planned:
    """One fault of a schedule: when it sets in, in seconds, and for how long where it lasts."""

    fault: Fault
    at: float
    seconds: float = 0.0


@dataclass
class Weather:
    """Which faults are in force now, and how often each has had an effect."""

    until: dict[Fault, float] = field(default_factory=dict)
    armed: Counter[Fault] = field(default_factory=Counter)
    reached: Counter[Fault] = field(default_factory=Counter)

    def lasts(self, fault: Fault, now: float) -> bool:
        """Whether a lasting fault is in force; counts it as reached when it is."""
        if now >= self.until.get(fault, -1.0):
            return False
        self.reached[fault] += 1
        return True

    def strikes(self, fault: Fault) -> bool:
        """Whether a fault was armed for the next of its kind, which this is; it is used up and counted."""
        if self.armed[fault] <= 0:
            return False
        self.armed[fault] -= 1
        self.reached[fault] += 1
        return True
