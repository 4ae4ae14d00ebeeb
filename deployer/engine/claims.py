"""A rollout's claim on its fleet: a tag on the instances, read by those whose state store is another one.

A lease says whose a fleet is to whoever shares its store. Two laptops do not, nor do a laptop and a pipeline with
the default store. The tag is in every look at the instances, so it costs no call to see one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deployer.model.errors import LeaseLost
from deployer.model.fleet import Instance, Tag

_UNFIT = re.compile(r"[^\w+\-=.:/@]")
"""What is not allowed in the value of an EC2 tag, or parts the words of a claim."""

_LONGEST = 256
"""Characters that the value of a tag has at most."""

_GONE_AFTER = 2
"""Looks in a row without our claim after which it was taken off: tags are eventually consistent."""


@dataclass(frozen=True)
class Claim:
    """What the tag tells: the rollout, how many instances the fleet had before it, and who began it."""

    rollout: str
    size: int
    by: str = ""

    @property
    def value(self) -> str:
        """As the tag has it."""
        words = (self.rollout, str(self.size), self.by)
        return " ".join(_UNFIT.sub("-", word) for word in words if word)[:_LONGEST]

    @classmethod
    def read(cls, value: str) -> Claim | None:
        """The claim in a tag; None for one that was given up, or that no deployer wrote."""
        rollout, _, rest = value.partition(" ")
        size, _, by = rest.partition(" ")
        return cls(rollout, int(size), by) if rollout and size.isascii() and size.isdigit() else None

    def __str__(self) -> str:
        by = f" of {self.by}" if self.by else ""
        return f"rollout {self.rollout}{by}, begun with {self.size} instance{'' if self.size == 1 else 's'}"


def claims_on(instances: Iterable[Instance]) -> tuple[Claim, ...]:
    """The claims on instances that are alive, each once."""
    values = {one.tags[Tag.CLAIM] for one in instances if one.state.alive and Tag.CLAIM in one.tags}
    found = {claim.rollout: claim for value in sorted(values) if (claim := Claim.read(value)) is not None}
    return tuple(found.values())


@dataclass
class ClaimWatch:
    """Holds each look against our own claim. `earlier` are the claims that it took the place of."""

    own: Claim
    earlier: frozenset[str] = frozenset()
    _carried: set[str] = field(default_factory=set)
    _missing: int = 0

    def check(self, instances: Sequence[Instance]) -> None:
        """Raises LeaseLost when the fleet carries another's claim, or ours was taken off."""
        known = {self.own.rollout, *self.earlier}
        others = [one for one in claims_on(instances) if one.rollout not in known]
        if others:
            raise LeaseLost(
                f"{others[0]} has claimed the fleet, with another state store than this rollout's; nothing more is "
                f"changed here. `deployer resume` or `deployer abort` goes on with this one when that one has ended"
            )
        carrying = {one.id for one in instances if claimed_by(one) == self.own.rollout}
        without = {one.id for one in instances if one.state.alive and one.id in self._carried - carrying}
        self._carried |= carrying
        self._missing = self._missing + 1 if without else 0
        if self._missing >= _GONE_AFTER:
            raise LeaseLost(
                f"the claim of rollout {self.own.rollout} was taken off {', '.join(sorted(without))}, as `deployer "
                f"unlock` does with another state store; nothing more is changed here. See `deployer status`"
            )


def claimed_by(instance: Instance) -> str:
    """The rollout whose claim an instance carries; empty where it carries none."""
    claim = Claim.read(instance.tags.get(Tag.CLAIM, ""))
    return claim.rollout if claim is not None else ""
