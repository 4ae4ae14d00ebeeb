"""The moments of a rollout at which hooks run and gates are asked, and what came of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Point(Enum):
    """When a hook runs, or a gate is asked."""

    BEFORE_ROLLOUT = "before-rollout"
    """Before anything of the fleet is changed, and before a bake."""
    BEFORE_BAKE = "before-bake"
    ON_BUILDER = "on-builder"
    """On the builder, once the release is installed and answers, before it is cleaned for the image."""
    AFTER_BAKE = "after-bake"
    BEFORE_STEP = "before-step"
    """Before a stage of the strategy begins."""
    AFTER_STEP = "after-step"
    """When a stage of the strategy is done, before the next one begins."""
    BEFORE_DRAIN = "before-drain"
    AFTER_DRAIN = "after-drain"
    BEFORE_ATTACH = "before-attach"
    """A new instance answers with the release, and no balancer has it yet."""
    AFTER_ATTACH = "after-attach"
    """It is healthy at every balancer; until then its predecessor stays."""
    AFTER_INSTANCE = "after-instance"
    """A slot has arrived: its instance is in service and its predecessor gone."""
    THROUGHOUT = "throughout"
    """Again and again, from the first look to the last."""
    FINAL_SOAK = "final-soak"
    """The whole fleet is new, and a rollback still possible: hooks once, gates again and again."""
    AFTER_SUCCESS = "after-success"
    AFTER_FAILURE = "after-failure"
    """It failed, and the fleet was left as it is."""
    AFTER_ROLLBACK = "after-rollback"
    """The fleet was brought back to the release before."""


INSTANCE_POINTS = frozenset(
    {
        Point.BEFORE_DRAIN,
        Point.AFTER_DRAIN,
        Point.BEFORE_ATTACH,
        Point.AFTER_ATTACH,
        Point.AFTER_INSTANCE,
    }
)
"""Those that come once for each instance."""

STEP_POINTS = frozenset({Point.BEFORE_STEP, Point.AFTER_STEP})
"""Those that come once for each stage of a strategy."""

STANDING_POINTS = frozenset({Point.THROUGHOUT, Point.FINAL_SOAK})
"""Those at which gates are asked again and again."""

ARRIVAL_POINTS = frozenset({Point.BEFORE_ATTACH, Point.AFTER_ATTACH})
"""Those at which a failure is the new instance's own: it is given up on, and counted."""


class Verdict(Enum):
    """What a hook or gate says. Only PASS lets a rollout go on."""

    PENDING = "pending"
    PASS = "pass"
    FAIL = "fail"
    """What was looked at is bad."""
    ERROR = "error"
    """It could not be looked at: nothing is known to be bad."""
    INCONCLUSIVE = "inconclusive"
    """It was looked at, and is neither good nor bad."""


@dataclass(frozen=True)
class Occasion:
    """One moment: the point, and whose it is: an instance's id, a step's name, or nothing for the whole rollout."""

    point: Point
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.point.value} of {self.subject}" if self.subject else self.point.value


@dataclass(frozen=True)
class Ruling:
    """What all hooks and gates of an occasion come to, and the reason in one line."""

    verdict: Verdict
    reason: str = ""


NOT_ASKED = Ruling(Verdict.PENDING)
"""The ruling of an occasion that nobody has asked about yet."""
