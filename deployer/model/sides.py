"""Where an instance belongs among a fleet's balancers, of which some may be the sides of one split. Pure.

A rule that splits its traffic among target groups makes them sides: the old fleet is in one, the new one in
another, and no instance is in two. Balancers outside of any split have every instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet


def missing_at(
    held: AbstractSet[str], balancers: Iterable[str], sides: Sequence[frozenset[str]]
) -> tuple[str, ...]:
    """The balancers that an instance held by `held` is missing from; of a split, those of no side hold it all."""
    covered = set(held).union(*(split for split in sides if split & held))
    return tuple(ident for ident in balancers if ident not in covered)


def mixed_up(held: AbstractSet[str], sides: Sequence[frozenset[str]]) -> frozenset[str]:
    """The sides of a split of which an instance is with more than one, as none should be."""
    return frozenset().union(*(split & held for split in sides if len(split & held) > 1))
