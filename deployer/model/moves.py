"""Moves: each one thing to do to one instance, slot or balancer. Strategies ask for them, the guard judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from deployer.model.occasions import Occasion

MOST_WEIGHT = 999
"""The largest weight of a target group. [ELB API reference, TargetGroupTuple]"""


@dataclass(frozen=True)
class Launch:
    """Start an instance from the goal's image in a slot."""

    slot: str
    attach: bool = True


@dataclass(frozen=True)
class Attach:
    """Register an instance with every balancer of the fleet that does not have it."""

    instance: str


@dataclass(frozen=True)
class Drain:
    """Deregister an instance from every balancer it is in."""

    instance: str


@dataclass(frozen=True)
class LameDuck:
    """Have the application on an instance let its clients' connections go."""

    instance: str


@dataclass(frozen=True)
class Stage:
    """Bring the goal's bundle onto an instance that still serves, and have it checked there."""

    instance: str


@dataclass(frozen=True)
class Update:
    """Install the goal's release on a drained instance (method in-place)."""

    instance: str


@dataclass(frozen=True)
class Terminate:
    """Terminate a drained instance."""

    instance: str


@dataclass(frozen=True)
class SetAside:
    """Take a drained instance that failed out of the fleet, and leave it running for somebody to look at."""

    instance: str


@dataclass(frozen=True)
class GiveUp:
    """Count an instance as failed, and keep the evidence."""

    instance: str
    reason: str


@dataclass(frozen=True)
class Weigh:
    """Set the share of traffic that each target group gets (0–999 each), by ARN."""

    weights: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Wait:
    """Nothing to do for a slot or instance now, and why: shown in the tree and by `deployer why`.

    `until` is a monotonic time, where it is known when the waiting ends at the latest. `asks` is the occasion
    whose hooks and gates it waits for: the engine runs them when it sees it.
    """

    subject: str
    reason: str
    until: float | None = None
    asks: Occasion | None = None


Move: TypeAlias = Launch | Attach | Drain | LameDuck | Stage | Update | Terminate | SetAside | GiveUp | Weigh | Wait
"""The closed union of moves: match on it with `assert_never`."""


def is_well_formed(move: object) -> bool:
    """Whether it is a move, and its parts are of their kinds: a strategy may be anybody's."""
    match move:
        case Launch(slot=str(), attach=bool()):
            return True
        case GiveUp(instance=str(), reason=str()):
            return True
        case (
            Attach(instance=str())
            | Drain(instance=str())
            | LameDuck(instance=str())
            | Stage(instance=str())
            | Update(instance=str())
            | Terminate(instance=str())
            | SetAside(instance=str())
        ):
            return True
        case Weigh(weights=tuple() as weights):
            return all(_is_share(share) for share in weights)
        case Wait(subject=str(), reason=str(), until=float() | int() | None, asks=Occasion() | None):
            return True
        case _:
            return False


def _is_share(share: object) -> bool:
    match share:
        case (str(), int() as weight):
            return 0 <= weight <= MOST_WEIGHT
        case _:
            return False


def subject_of(move: Move) -> str:
    """The slot, instance or balancer that a move is about: for logs and the journal."""
    match move:
        case Launch(slot=slot):
            return slot
        case Wait(subject=subject):
            return subject
        case Weigh(weights=weights):
            return ",".join(arn for arn, _ in weights)
        case Attach() | Drain() | LameDuck() | Stage() | Update() | Terminate() | SetAside() | GiveUp():
            return move.instance
