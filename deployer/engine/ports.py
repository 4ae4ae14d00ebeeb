"""What the engine knows of the outside: protocols that `aws`, `remote`, `state` and the twin implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from deployer.model.fleet import Balancer, Instance, Target
from deployer.model.hosts import HostReport, HostTask
from deployer.model.observation import Observation
from deployer.model.occasions import Occasion, Point, Ruling
from deployer.model.outcome import Outcome


class Clock(Protocol):
    """Time. Monotonic for every deadline; wall time only for records (fault 21)."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def wall(self) -> float:
        """Unix seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Returns after `seconds`, or earlier when the process was asked to stop."""
        ...


@dataclass(frozen=True)
class Sighting:
    """One batched look at AWS: every instance of the fleet and what each balancer says of each.

    `targets` is keyed by balancer id, then instance id; an instance that is not there is ABSENT. A balancer
    that could not be asked is in `silent`, with the reason, and its answers are UNKNOWN.
    """

    instances: tuple[Instance, ...]
    targets: Mapping[str, Mapping[str, Target]]
    silent: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    released: frozenset[str] = frozenset()
    """Instances that their group let go of by another hand than ours: their places are no longer the fleet's."""


@dataclass(frozen=True)
class LaunchOrder:
    """One instance to start. The token makes repeating it harmless: it is a hash of fleet, rollout, slot, zone,
    type, image and attempt.

    `model` is the instance id whose settings are carried over: subnet, type, security groups, profile, key,
    user data, metadata options, tags of its own.
    """

    slot: str
    token: str
    image: str
    zone: str
    subnet: str
    model: str
    tags: Mapping[str, str]
    instance_type: str | None = None


@dataclass(frozen=True)
class Registration:
    """One instance at one balancer."""

    balancer: str
    instance: str
    port: int | None = None


class Cloud(Protocol):
    """The fleet's cloud. Calls are batched and never raise vendor errors: each item has its own outcome."""

    def look(self) -> Sighting:
        """Looks once: one DescribeInstances by filter, one DescribeTargetHealth per group. Raises AwsError."""
        ...

    def launch(self, orders: Sequence[LaunchOrder]) -> Mapping[str, Outcome[Instance]]:
        """Launches; by token. A lost answer is looked up by the `client-token` filter before it is Unknown."""
        ...

    def register(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Registers with target groups and classic ELBs, one call a balancer."""
        ...

    def deregister(self, registrations: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        """Deregisters, one call a balancer; an absent target is Done."""
        ...

    def terminate(self, instances: Sequence[str]) -> Mapping[str, Outcome[None]]:
        """Terminates; bisects a batch with an unknown id, describes again after a protected one."""
        ...

    def set_aside(self, instances: Sequence[str], tags: Mapping[str, str]) -> Mapping[str, Outcome[None]]:
        """Takes instances out of the fleet, marked with `tags`, and leaves them running; harmless to repeat.

        From then on no look shows them; one that is gone is Done.
        """
        ...

    def tag(self, instances: Sequence[str], tags: Mapping[str, str]) -> Outcome[None]:
        """Sets tags on instances that are ours."""
        ...

    def weigh(self, weights: Mapping[str, int]) -> Outcome[None]:
        """Sets traffic weights by target group ARN on every listener and rule that forwards to them."""
        ...

    def console(self, instance: str) -> str:
        """The tail of the console output; empty when there is none. Never raises."""
        ...

    def balancers(self) -> Sequence[Balancer]:
        """The fleet's balancers, as found when the fleet was."""
        ...


class Hooks(Protocol):
    """The hooks and gates of a rollout. They run beside the loop, which never waits for one."""

    def points(self, *, rolling_back: bool) -> frozenset[Point]:
        """The points at which there are any on the way forward, or on the way back."""
        ...

    def ask(self, occasions: Sequence[Occasion], seen: Observation) -> None:
        """Starts what is due at these occasions and returns at once. Raises StateUnavailable and LeaseLost."""
        ...

    def rulings(self, *, rolling_back: bool) -> Mapping[Occasion, Ruling]:
        """What they have said so far on the way forward, or on the way back. Raises as `ask` does."""
        ...


class NoHooks:
    """A rollout without hooks."""

    def points(self, *, rolling_back: bool) -> frozenset[Point]:  # noqa: ARG002
        """There are none."""
        return frozenset()

    def ask(self, occasions: Sequence[Occasion], seen: Observation) -> None:
        """There is nothing to ask."""

    def rulings(self, *, rolling_back: bool) -> Mapping[Occasion, Ruling]:  # noqa: ARG002
        """Nothing was said."""
        return {}


class Hosts(Protocol):
    """The bounded pool of host work."""

    def submit(self, task: HostTask) -> None:
        """Queues a task and returns at once. A task equal to one that is queued or running is dropped."""
        ...

    def reports(self) -> Sequence[HostReport]:
        """What has finished since the last call."""
        ...

    def busy(self, instance: str) -> bool:
        """Whether any task of that instance is queued or running."""
        ...

    def close(self) -> None:
        """Takes no more work and returns when what runs has ended or its deadline passed."""
        ...


@dataclass(frozen=True)
class Record:
    """One line of the journal: append-only. `data` holds JSON values only, and never a secret (promise 17).

    `kind` is one of plan, intent, outcome, undo, undone, failure, stance, note, end.
    """

    seq: int
    wall: float
    rollout: str
    epoch: int
    kind: str
    subject: str
    data: Mapping[str, object]


class Journal(Protocol):
    """What was intended and what came of it. `append` is durable when it returns."""

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        """Writes one record. Raises StateUnavailable: then nothing may be changed (fault 36)."""
        ...

    def records(self) -> Sequence[Record]:
        """All records of this rollout, in order."""
        ...


class Lease(Protocol):
    """The right to change a fleet, held under an epoch that only grows."""

    @property
    def epoch(self) -> int:
        """The fencing number of this holding."""
        ...

    @property
    def line(self) -> str:
        """Names the row of leases in which epochs grow: those of different stores cannot be compared."""
        ...

    @property
    def unlocked(self) -> str:
        """Who broke the lease before this one, in words; empty where nobody did."""
        ...

    def still_held(self) -> bool:
        """Whether it is safe to change something now: not expired, not known to be taken over."""
        ...

    def left(self) -> float:
        """Seconds for which it is safe to change something without another heartbeat; 0 when it is not."""
        ...

    def heartbeat(self) -> None:
        """Extends it when it is time to. Raises LeaseLost (fault 34, 35)."""
        ...

    def release(self) -> None:
        """Gives it back; harmless when it is already gone."""
        ...
