"""What a move does and what must hold before it: declared on its class, and read by everybody who handles it.

The guard, the actuator, the journal's readers and the twin decide by this declaration and by nothing else, so a new
kind of move is one class. What declares nothing is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto


class About(Enum):
    """What a move is about: the name of its field that says so."""

    SLOT = "slot"
    INSTANCE = "instance"
    TARGET_GROUPS = "weights"
    """Pairs of a target group's ARN and its weight."""
    ANYTHING = "subject"


class Does(Flag):
    """What a move does."""

    NOTHING = 0
    ADDS = auto()
    """Brings one more instance to life in its slot."""
    ADMITS = auto()
    """Puts its instance into service."""
    LOWERS = auto()
    """Takes its instance out of service, or out of what it was about to serve."""
    WITHDRAWS = auto()
    """Takes its instance out of its balancers."""
    INSTALLS = auto()
    """Changes what its instance runs."""
    ENDS = auto()
    """Terminates its instance."""
    SETS_ASIDE = auto()
    """Takes its instance out of the fleet, and leaves it running."""
    FAILS = auto()
    """Counts its instance as failed."""
    SHIFTS = auto()
    """Shares traffic out anew between target groups."""


class Needs(Flag):
    """What must hold before a move is carried out."""

    NOTHING = 0
    SETTLED = auto()
    """What was asked last of the same instance or slot has been seen."""
    DRAINED = auto()
    """Every source of work has let go of the instance, and it is not of unknown health."""
    FAILED = auto()
    """The instance was given up on."""
    ANSWERED = auto()
    """The instance runs, and has answered its health path."""


class Starts(Enum):
    """Whether a move starts something new, which is over once too much has failed (promise 13)."""

    NEVER = "never"
    ALWAYS = "always"
    IN_A_NEW_SLOT = "in a slot that the rollout has not begun yet"


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The declaration. Nothing has a default: who adds a move says all of it.

    `begins`: its slot is in flight from then on, also for whoever resumes. `rank`: its place among the moves of one
    tick, the lowest first: what raises capacity before what lowers it. None: it is shown and never carried out.
    Raises ValueError for a declaration that contradicts itself.
    """

    about: About
    does: Does
    needs: Needs
    starts: Starts
    begins: bool
    rank: int | None

    def __post_init__(self) -> None:
        for broken, rule in (
            (bool(self.does & GONE_FOR_GOOD) and Does.LOWERS not in self.does, "what ends or changes it lowers it"),
            (bool(self.does & GONE_FOR_GOOD) and Needs.DRAINED not in self.needs, "and needs it drained"),
            (Does.WITHDRAWS in self.does and Does.LOWERS not in self.does, "what withdraws an instance lowers"),
            (Does.SETS_ASIDE in self.does and Needs.FAILED not in self.needs, "what failed alone is set aside"),
            (Does.ADMITS in self.does and Needs.ANSWERED not in self.needs, "what is sick is not admitted"),
            (Does.ADDS in self.does and self.about is not About.SLOT, "what is added is added to a slot"),
            (Does.SHIFTS in self.does and self.about is not About.TARGET_GROUPS, "target groups share traffic"),
            (bool(self.does & OF_AN_INSTANCE) and self.about is not About.INSTANCE, "that is done to an instance"),
            (self._changes and Needs.SETTLED not in self.needs, "what changes waits for what was asked last"),
            (self.rank is None and (self.does is not Does.NOTHING or self.begins), "what acts has a rank"),
        ):
            if broken:
                raise ValueError(f"{self} contradicts itself: {rule}")

    @property
    def _changes(self) -> bool:
        return bool(self.does & (Does.ADDS | Does.ADMITS | Does.LOWERS))


GONE_FOR_GOOD = Does.INSTALLS | Does.ENDS | Does.SETS_ASIDE
"""What cannot be taken back: requests that were still being answered are lost with it."""

OF_AN_INSTANCE = GONE_FOR_GOOD | Does.ADMITS | Does.LOWERS | Does.WITHDRAWS | Does.FAILS


def effect_of(move: object) -> Effect | None:
    """What a move's own class declares; None where it declares nothing. What its base class declares is not its."""
    return effect_of_kind(type(move))


def effect_of_kind(kind: type) -> Effect | None:
    """The same, of the class itself."""
    found = vars(kind).get("effect")
    return found if isinstance(found, Effect) else None
