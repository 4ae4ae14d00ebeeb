"""Moves: each one thing to do to one instance, slot or balancer. Strategies ask for them, the guard judges them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, get_args

from deployer.model.effects import About, Does, Effect, Needs, Starts, effect_of
from deployer.model.occasions import Occasion

MOST_WEIGHT = 999
"""The largest weight of a target group. [ELB API reference, TargetGroupTuple]"""


@dataclass(frozen=True)
class Launch:
    """Start an instance from the goal's image in a slot."""

    effect: ClassVar[Effect] = Effect(
        about=About.SLOT,
        does=Does.ADDS,
        needs=Needs.SETTLED,
        starts=Starts.ALWAYS,
        begins=True,
        rank=3,
    )

    slot: str
    attach: bool = True


@dataclass(frozen=True)
class Attach:
    """Register an instance with every balancer of the fleet that does not have it."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.ADMITS,
        needs=Needs.SETTLED | Needs.ANSWERED,
        starts=Starts.NEVER,
        begins=True,
        rank=1,
    )

    instance: str


@dataclass(frozen=True)
class Drain:
    """Deregister an instance from every balancer it is in."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.LOWERS | Does.WITHDRAWS,
        needs=Needs.SETTLED,
        starts=Starts.IN_A_NEW_SLOT,
        begins=True,
        rank=6,
    )

    instance: str


@dataclass(frozen=True)
class LameDuck:
    """Have the application on an instance let its clients' connections go."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.LOWERS,
        needs=Needs.SETTLED,
        starts=Starts.NEVER,
        begins=False,
        rank=5,
    )

    instance: str


@dataclass(frozen=True)
class Stage:
    """Bring the goal's bundle onto an instance that still serves, and have it checked there."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.NOTHING,
        needs=Needs.SETTLED,
        starts=Starts.NEVER,
        begins=True,
        rank=4,
    )

    instance: str


@dataclass(frozen=True)
class Update:
    """Install the goal's release on a drained instance (method in-place)."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.LOWERS | Does.INSTALLS,
        needs=Needs.SETTLED | Needs.DRAINED,
        starts=Starts.ALWAYS,
        begins=True,
        rank=7,
    )

    instance: str


@dataclass(frozen=True)
class Terminate:
    """Terminate a drained instance."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.LOWERS | Does.ENDS,
        needs=Needs.SETTLED | Needs.DRAINED,
        starts=Starts.NEVER,
        begins=True,
        rank=8,
    )

    instance: str


@dataclass(frozen=True)
class SetAside:
    """Take a drained instance that failed out of the fleet, and leave it running for somebody to look at."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.LOWERS | Does.SETS_ASIDE,
        needs=Needs.SETTLED | Needs.DRAINED | Needs.FAILED,
        starts=Starts.NEVER,
        begins=True,
        rank=9,
    )

    instance: str


@dataclass(frozen=True)
class GiveUp:
    """Count an instance as failed, and keep the evidence."""

    effect: ClassVar[Effect] = Effect(
        about=About.INSTANCE,
        does=Does.FAILS,
        needs=Needs.NOTHING,
        starts=Starts.NEVER,
        begins=False,
        rank=0,
    )

    instance: str
    reason: str


@dataclass(frozen=True)
class Weigh:
    """Set the share of traffic that each target group gets (0–999 each), by ARN."""

    effect: ClassVar[Effect] = Effect(
        about=About.TARGET_GROUPS,
        does=Does.SHIFTS,
        needs=Needs.NOTHING,
        starts=Starts.NEVER,
        begins=False,
        rank=2,
    )

    weights: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Wait:
    """Nothing to do for a slot or instance now, and why: shown in the tree and by `deployer why`.

    `until` is a monotonic time, where it is known when the waiting ends at the latest. `asks` is the occasion
    whose hooks and gates it waits for: the engine runs them when it sees it.
    """

    effect: ClassVar[Effect] = Effect(
        about=About.ANYTHING,
        does=Does.NOTHING,
        needs=Needs.NOTHING,
        starts=Starts.NEVER,
        begins=False,
        rank=None,
    )

    subject: str
    reason: str
    until: float | None = None
    asks: Occasion | None = None


Move: TypeAlias = Launch | Attach | Drain | LameDuck | Stage | Update | Terminate | SetAside | GiveUp | Weigh | Wait
"""The closed union of moves: match on it with `assert_never`."""

MOVES: tuple[type[Move], ...] = get_args(Move)

BY_NAME: Mapping[str, type[Move]] = {kind.__name__: kind for kind in MOVES}
"""The kinds of moves by the name that they have in the journal."""


def is_well_formed(move: object) -> bool:
    """Whether it is a move, and its parts are of their kinds: a strategy may be anybody's.

    A class derived from a move is none: nobody knows what it does besides.
    """
    if type(move) not in MOVES:
        return False
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
    if isinstance(move, Weigh):
        return ",".join(arn for arn, _ in move.weights)
    effect = effect_of(move)
    return str(getattr(move, effect.about.value)) if effect is not None else type(move).__name__


def instance_of(move: Move) -> str | None:
    """The instance that a move is about; None for one that is about something else."""
    effect = effect_of(move)
    if effect is None or effect.about is not About.INSTANCE:
        return None
    ident: str = getattr(move, About.INSTANCE.value)
    return ident


def slot_of(move: Move) -> str | None:
    """The slot that a move is about; None for one that is about something else."""
    effect = effect_of(move)
    if effect is None or effect.about is not About.SLOT:
        return None
    name: str = getattr(move, About.SLOT.value)
    return name
