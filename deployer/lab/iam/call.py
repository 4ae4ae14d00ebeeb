"""A request as far as IAM cares: service, operation, parameters, and the world that it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from deployer.lab.iam.conditions import Context
from deployer.lab.iam.policy import Asked

Parameters = Mapping[str, Any]
"""By botocore's member names."""

Keys = dict[str, tuple[str, ...]]
"""Condition keys of a right, in small letters, with their values."""


class World(Protocol):
    """What a request's rights depend on beside its parameters."""

    def tags(self, resource: str) -> Mapping[str, str]:
        """A resource's tags by its id (EC2) or ARN; none for one that is not there."""
        ...

    def role_of(self, profile: str) -> str | None:
        """The ARN of the role in an instance profile, by its name or ARN."""
        ...

    def template(self, wish: Parameters) -> tuple[str, Parameters]:
        """The id and the data of a launch template's version; empty for one that is not there."""
        ...

    def volumes(self, instance: str) -> Sequence[str]:
        """The volumes of an instance, its root first."""
        ...

    def group_arn(self, name: str) -> str | None:
        """The ARN of an Auto Scaling group, None where there is none of that name."""
        ...

    def deployment_group(self, deployment: str) -> str | None:
        """`APPLICATION/GROUP` of a deployment by its id, None where there is none."""
        ...

    def subnets_of(self, group: str) -> Sequence[str]:
        """The subnets that an Auto Scaling group launches into."""
        ...


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    """IAM's prefix."""
    operation: str
    parameters: Parameters
    region: str
    account: str
    world: World
    base: Context = field(default_factory=dict)
    """The condition keys that every request has."""

    @property
    def action(self) -> str:
        """The operation as an IAM action."""
        return f"{self.service}:{self.operation}"

    def texts(self, name: str) -> list[str]:
        """A parameter's texts; one text is a list of one, an absent one of none."""
        value = self.parameters.get(name) or ()
        return [str(value)] if isinstance(value, str | int) else [str(one) for one in value]

    def arn(self, resource: str, *, service: str = "", account: bool = True) -> str:
        """An ARN in this region."""
        owner = self.account if account else ""
        return f"arn:aws:{service or self.service}:{self.region}:{owner}:{resource}"

    def asks(
        self, resource: str = "*", keys: Mapping[str, Sequence[str]] | None = None, *, action: str = ""
    ) -> Asked:
        """A right: this call's action, or `action`, on a resource; `keys` join those that every request has."""
        more = {name.lower(): tuple(values) for name, values in (keys or {}).items()}
        return Asked(action or self.action, resource, {**self.base, **more})


def of_resource(tags: Mapping[str, str], service: str) -> Keys:
    """The keys that tell a resource's own tags."""
    keys: Keys = {f"aws:resourcetag/{key.lower()}": (value,) for key, value in tags.items()}
    return keys | {f"{service}:resourcetag/{key.lower()}": (value,) for key, value in tags.items()}


def of_request(tags: Mapping[str, str]) -> Keys:
    """The keys that tell the tags that a request gives."""
    if not tags:
        return {}
    keys: Keys = {f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()}
    return keys | {"aws:tagkeys": tuple(tags)}


def tags_of(raw: Sequence[Parameters] | None) -> dict[str, str]:
    """A `Tags` parameter as a mapping."""
    return {str(one.get("Key", "")): str(one.get("Value", "")) for one in raw or ()}
