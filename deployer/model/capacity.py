"""All arithmetic of percentages, floors, surges and windows, in one place.

Rounding follows Kubernetes' rolling update, which others have settled on: what may be *extra* rounds
up, what may be *missing* rounds down, and where both come to zero one instance may be missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deployer.model.errors import Infeasible, UsageError

_COUNT = re.compile(r"[0-9]{1,6}")
_PERCENT = re.compile(r"([0-9]{1,3})%")


@dataclass(frozen=True)
class Amount:
    """A number of instances: a count, or a percentage of a total that is known later."""

    value: int
    percent: bool = False

    ALL: ClassVar[Amount]

    @classmethod
    def parse(cls, text: str | int, *, what: str = "amount", zero: bool = True) -> Amount:
        """Reads `3` or `25%`.

        >>> Amount.parse("25%"), Amount.parse("3")
        (Amount(value=25, percent=True), Amount(value=3, percent=False))

        Raises UsageError for anything else: signs, fractions, more than 100 %, and zero unless `zero`.
        """
        raw = str(text).strip()
        if match := _PERCENT.fullmatch(raw):
            amount = cls(int(match[1]), percent=True)
            if amount.value > 100:
                raise UsageError(f"{what} is {raw!r}, but a percentage goes from {0 if zero else 1}% to 100%")
        elif _COUNT.fullmatch(raw):
            amount = cls(int(raw))
        else:
            raise UsageError(f"{what} is {raw!r}; expected a count such as 2 or a percentage such as 25%")
        if amount.value == 0 and not zero:
            raise UsageError(f"{what} is {raw!r}, with which nothing would ever move; expected at least 1 or 1%")
        return amount

    def down(self, total: int) -> int:
        """Of `total`, rounded down. 39 % of 10 → 3; 90 % of 95 → 85; 20 % of 3 → 0."""
        return self.value * total // 100 if self.percent else self.value

    def up(self, total: int) -> int:
        """Of `total`, rounded up. 39 % of 10 → 4; 90 % of 95 → 86; 20 % of 3 → 1."""
        return -(-self.value * total // 100) if self.percent else self.value

    def __str__(self) -> str:
        return f"{self.value}%" if self.percent else str(self.value)


Amount.ALL = Amount(100, percent=True)


def batch_size(batch: Amount, total: int) -> int:
    """How many slots may be in flight at once: rounded down, at least 1, at most all.

    Ansible's rule for `serial`: 20 % of 3 → 1; 20 % of 11 → 2; 25 % of 8 → 2; 100 % of 5 → 5.
    """
    return max(1, min(batch.down(total), total)) if total else 0


def growing_batches(batches: tuple[Amount, ...], total: int) -> tuple[int, ...]:
    """Splits `total` into batches of growing size; the last one repeats until all are covered.

    Ansible's examples: [1, 2, 3] of 10 → 1, 2, 3, 3, 1; [1, 20 %, 100 %] of 10 → 1, 2, 7.
    """
    sizes: list[int] = []
    left = total
    for index in range(total):
        size = min(batch_size(batches[min(index, len(batches) - 1)], total), left)
        sizes.append(size)
        left -= size
        if left == 0:
            break
    return tuple(sizes)


@dataclass(frozen=True)
class Limits:
    """What a rollout keeps to: counts, worked out once for its fleet and pinned.

    `window` is the most slots in flight; `floor` the fewest instances in service at any instant;
    `surge` how many may exist beyond `size`; `zone_floor` the floor in every zone, zone by zone.
    """

    size: int
    window: int
    floor: int
    surge: int
    zone_floor: tuple[tuple[str, int], ...] = ()

    def floor_of(self, zone: str) -> int:
        """The floor of one zone; 0 where none is set."""
        return dict(self.zone_floor).get(zone, 0)


def limits_for(
    *,
    zones: dict[str, int],
    batch: Amount,
    floor: Amount | None,
    surge: Amount | None,
    can_surge: bool,
    zone_floor: Amount | None = None,
    spare: int = 0,
) -> Limits:
    """Works out a rollout's limits for a fleet of `zones` (zone → instances), or says why it cannot be.

    With no floor given, one batch may be missing at a time. With no surge given, a method that launches
    instances may have one batch extra. Examples with batch 25 % of 8: floor 6; surge 2 for relaunch,
    0 in place. A floor rounds up (it may never be less than asked for), a surge rounds up too. `spare` are
    instances that are added to the fleet beforehand, for as long as the rollout lasts.

    Raises Infeasible with the numbers when the floor leaves no room and there is no surge.
    """
    size = sum(zones.values())
    window = batch_size(batch, size)
    least = floor.up(size) if floor is not None else max(size - window, 1 if size > 1 or can_surge else 0)
    extra = (surge.up(size) if surge is not None else window) if can_surge else 0
    if least > size:
        raise Infeasible(f"the floor is {least}, but the fleet has only {size} instances; lower the floor")
    if least == size and extra + spare == 0:
        raise Infeasible(
            f"the floor of {least} leaves none of the {size} instances to spare and the surge is 0, so no "
            f"instance can ever be taken out: {size} - 1 < {least}; "
            + (
                "allow a surge (--max-surge 1) or lower the floor"
                if can_surge
                else "lower the floor, or use --method relaunch with a surge"
            )
        )
    have = size + spare
    if least > have - window and extra == 0 and floor is not None:
        raise Infeasible(
            f"a batch of {window} takes the {have} instances down to {have - window}, under the floor of {least}, "
            f"and there is no surge: {have} - {window} < {least}; use a batch of at most {have - least}, "
            f"a floor of at most {have - window}, or a surge of at least {window - (have - least)}"
        )
    per_zone = {zone: zone_floor.up(count) for zone, count in zones.items()} if zone_floor else {}
    for zone, needed in sorted(per_zone.items()):
        if needed >= zones[zone] and extra == 0:
            raise Infeasible(
                f"the zone floor of {needed} leaves none of the {zones[zone]} instances in {zone} to spare and "
                f"the surge is 0; lower the zone floor or allow a surge"
            )
    return Limits(size, window, least, extra, tuple(sorted(per_zone.items())))


def lower_bound(*, slots: int, window: int, seconds_each: float) -> float:
    """The shortest time, in seconds, in which `slots` can pass a window of `window` at `seconds_each`.

    8 slots, 2 at a time, 30 s each → 120 s.
    """
    return -(-slots // window) * seconds_each if slots and window else 0.0
