"""Which zone gets the next member, and which member goes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deployer.lab.autoscaling.records import Group, Member


def per_zone(group: Group, members: Iterable[Member]) -> dict[str, int]:
    """How many of `members` stand in each of the group's zones."""
    counts = dict.fromkeys(group.subnets, 0)
    for one in members:
        counts[one.zone] = counts.get(one.zone, 0) + 1
    return counts


def next_zone(group: Group) -> str:
    """The zone with the fewest members; the first of them in the group's order."""
    counts = per_zone(group, group.counted())
    return min(group.subnets, key=lambda zone: counts[zone])


def victims(group: Group, count: int, current: str) -> list[Member]:
    """Who goes when the group shrinks by `count`: unprotected members, by AWS's default policy.

    That is: the zone with the most members first; in it those made from another template version or
    configuration than `current` first; then the oldest. [ASG user guide, termination policies]
    """
    left = [one for one in group.counted() if not one.protected and one.in_service_at is not None]
    chosen: list[Member] = []
    while left and len(chosen) < count:
        counts = per_zone(group, (one for one in group.counted() if one not in chosen))
        one = min(left, key=lambda m: (-counts[m.zone], made_from(m) == current, m.joined, m.id))
        chosen.append(one)
        left.remove(one)
    return chosen


def made_from(member: Member) -> str:
    """What a member was made from, as one word."""
    if member.template is not None:
        return f"{member.template['LaunchTemplateId']}:{member.template['Version']}"
    return member.configuration or ""


def uneven(group: Group) -> str | None:
    """The zone that lacks a member while another has two more; None when the zones are balanced."""
    counts = per_zone(group, group.in_service())
    own: Sequence[str] = list(group.subnets)
    poorest = min(own, key=lambda zone: counts[zone])
    return poorest if max(counts.values()) - counts[poorest] > 1 else None
