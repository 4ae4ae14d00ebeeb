"""What a rollout is asked to do and how long it may take: pinned at the start (promise 16)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from deployer.model.work_source import WorkSource


class Method(Enum):
    """How one instance becomes new."""

    RELAUNCH = "relaunch"
    IN_PLACE = "in-place"


class OnFailure(Enum):
    """What happens when more instances fail than `max_failures`."""

    ROLLBACK = "rollback"
    STOP = "stop"
    ASK = "ask"


class Keep(Enum):
    """What becomes of an instance that failed."""

    TERMINATE = "terminate"
    KEEP = "keep"


class Sabotage(Enum):
    """Deliberate breakage of the safety rules, for `deployer demo` against a loopback endpoint only."""

    NO_DRAIN = "no-drain"
    """Terminates without deregistering."""
    NO_QUIET = "no-quiet"
    """Stops as soon as the deregister call has returned."""


STOPS_WITHIN = 120.0
"""Seconds that a rollout takes at most to bring what is in flight back into service, unless set otherwise."""


@dataclass(frozen=True)
class Deadlines:
    """The longest time, in seconds, that a slot may stay in each state; waiting is never blind."""

    launch: float = 300.0
    """From the launch until the instance is running."""
    boot: float = 600.0
    """From running until it answers its health path with the expected release."""
    health: float = 600.0
    """From the registration until every balancer calls it healthy."""
    drain: float = 3900.0
    """From the deregistration until it is drained; longer than the longest deregistration delay."""
    install: float = 3600.0
    terminate: float = 900.0
    progress: float = 1800.0
    """With no fault: the longest time in which no slot completes (promise 19)."""
    expectation: float = 60.0
    """How long a describe may show the state from before a call of ours (fault 7)."""


@dataclass(frozen=True)
class Policy:
    """The rules of one rollout. Durations are in seconds."""

    method: Method = Method.RELAUNCH
    soak: float = 0.0
    """How long a new instance must have been in service before it counts and its predecessor may go."""
    final_soak: float = 0.0
    max_failures: int = 0
    on_failure: OnFailure = OnFailure.ROLLBACK
    failed_instances: Keep = Keep.TERMINATE
    quiet: float = 5.0
    """A drained instance has had no connection on its port for this long (see `Drain`)."""
    steady: int = 2
    """Looks in a row that must agree before health is believed (fault 13)."""
    min_requests: int = 0
    """Requests that a new instance must have answered before it counts as proven (fault 50)."""
    work: WorkSource | None = None
    """Where the instances fetch their work; None where balancers send it, or nobody has told."""
    lame_duck: tuple[str, ...] = ()
    """Command on the host that lets clients' connections go: the application answers `Connection: close`."""
    ignore_stop_failures: bool = False
    """Whether an installation goes on when a script of the release before fails."""
    ask_hosts: bool = True
    """Whether hosts can be asked for their connections; else a drain lasts the whole delay."""
    deadlines: Deadlines = Deadlines()
    sabotage: Sabotage | None = None
