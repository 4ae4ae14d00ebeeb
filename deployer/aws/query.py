"""How a fleet is named by its user, and the DescribeInstances filters that find it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.model.fleet import InstanceState, Tag

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

EXISTING = tuple(state.value for state in InstanceState if state is not InstanceState.TERMINATED)
"""What is looked at: a terminated instance is shown for about an hour more, and is no part of a fleet."""

FILTER_VALUES = 200
"""The most values that one EC2 filter takes."""


@dataclass(frozen=True)
class FleetQuery:
    """A fleet as `deployer.toml` names it: by exactly one of `tags`, `instances` and `asg`.

    `balancers` holds names or ARNs of target groups or classic ELBs; None means that they are found from the
    instances, an empty tuple that the fleet has none (workers). `neighbours` are balancers of other fleets on the
    same hosts, whose traffic goes on while this one is updated in place.
    """

    fleet: str
    tags: Mapping[str, str] = field(default_factory=dict)
    instances: tuple[str, ...] = ()
    asg: str | None = None
    balancers: tuple[str, ...] | None = None
    neighbours: tuple[str, ...] = ()

    def filters(self) -> tuple[tuple[FilterTypeDef, ...], ...]:
        """One tuple of filters a query; together the queries find the fleet, and what was launched for it.

        Instances that a rollout launches carry the fleet's own tags, so a fleet found by tags needs one
        query. By ids or group they are found by their `deployer:fleet` tag, which is a query of its own,
        because the filters of one query are joined by "and".
        """
        if self.tags:
            return (tuple(_filter(f"tag:{key}", [value]) for key, value in sorted(self.tags.items())),)
        ours = (_filter(f"tag:{Tag.FLEET}", [self.fleet]),)
        if self.asg is not None:
            return ((_filter("tag:aws:autoscaling:groupName", [self.asg]),), ours)
        return (*((_filter("instance-id", chunk),) for chunk in chunks(self.instances, FILTER_VALUES)), ours)

    def __str__(self) -> str:
        if self.tags:
            return "tags " + ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items()))
        if self.asg is not None:
            return f"Auto Scaling group {self.asg}"
        return "instances " + ", ".join(self.instances)


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """`items` in pieces of at most `size`."""
    return (items[start : start + size] for start in range(0, len(items), size))


def existing_only() -> FilterTypeDef:
    """The filter that leaves terminated instances out."""
    return {"Name": "instance-state-name", "Values": list(EXISTING)}


def _filter(name: str, values: Iterable[str]) -> FilterTypeDef:
    return {"Name": name, "Values": [_literal(value) for value in values]}


def _literal(value: str) -> str:
    r"""EC2 filters read `*` and `?` as wildcards; a backslash before them, or before itself, takes that away."""
    return "".join("\\" + char if char in "*?\\" else char for char in value)
