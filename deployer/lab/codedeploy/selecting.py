"""Which instances a deployment group or a deployment means: by tags and by Auto Scaling groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deployer.lab.context import InstanceDirectory, InstanceFacts, Power

GROUP_TAG = "aws:autoscaling:groupName"
_THERE = frozenset({Power.RUNNING, Power.STOPPING, Power.STOPPED})
"""CodeDeploy deploys to stopped instances too, and counts them as failed [user guide, "Instance health"]."""


def select(directory: InstanceDirectory, document: Mapping[str, Any]) -> list[InstanceFacts]:
    """The instances that `ec2TagFilters` (or `tagFilters`), `ec2TagSet` or `autoScalingGroups` name.

    The filters of one list are joined by "or", the lists of a tag set by "and".
    """
    any_of: Sequence[Mapping[str, str]] = document.get("ec2TagFilters") or document.get("tagFilters") or ()
    tag_set = (document.get("ec2TagSet") or {}).get("ec2TagSetList") or ()
    groups = {_name(group) for group in document.get("autoScalingGroups") or ()}
    return sorted(
        (
            one
            for one in directory.all()
            if one.power in _THERE
            and (
                _any(one.tags, any_of)
                or (tag_set and all(_any(one.tags, filters) for filters in tag_set))
                or one.tags.get(GROUP_TAG) in groups
            )
        ),
        key=lambda one: (one.zone, one.id),
    )


def _name(group: object) -> str:
    return str(group["name"]) if isinstance(group, Mapping) else str(group)


def _any(tags: Mapping[str, str], filters: Iterable[Mapping[str, str]]) -> bool:
    return any(_fits(tags, one) for one in filters)


def _fits(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    key, value = wanted.get("Key", ""), wanted.get("Value", "")
    match wanted.get("Type"):
        case "KEY_ONLY":
            return key in tags
        case "VALUE_ONLY":
            return value in tags.values()
        case _:
            return tags.get(key) == value
