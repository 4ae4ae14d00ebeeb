"""One API call, as the actions see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.lab.ec2.errors import missing
from deployer.lab.ec2.filters import Filter, parse
from deployer.lab.ec2.power import PowerControl
from deployer.lab.ec2.service import Ec2, Region
from deployer.lab.ec2.store import Store


@dataclass(frozen=True)
class Call:
    """The parameters by their botocore member names, and what the call is about."""

    ec2: Ec2
    region: Region
    account: str
    params: Mapping[str, Any]
    moto: Any
    """moto's EC2 backend of this account and region: networks, key pairs, launch templates."""

    @property
    def store(self) -> Store:
        """The region's records."""
        return self.region.store

    @property
    def power(self) -> PowerControl:
        """The region's switches."""
        return self.region.power

    def text(self, name: str) -> str | None:
        """A parameter's text, None when it is absent or empty."""
        value = self.params.get(name)
        return None if value in (None, "") else str(value)

    def need(self, name: str) -> str:
        """A parameter's text; raises MissingParameter without it."""
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def texts(self, name: str) -> Sequence[str]:
        """A list parameter, empty when absent."""
        return [str(value) for value in self.params.get(name) or ()]

    def need_texts(self, name: str) -> Sequence[str]:
        """A list parameter; raises MissingParameter when it is empty."""
        values = self.texts(name)
        if not values:
            raise missing(name)
        return values

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean parameter."""
        value = self.params.get(name)
        return default if value is None else str(value).lower() == "true"

    def number(self, name: str) -> int | None:
        """An integer parameter."""
        value = self.params.get(name)
        return None if value is None else int(value)

    def filters(self) -> tuple[Filter, ...]:
        """The request's filters."""
        return parse(self.params.get("Filters"))


Answer = Mapping[str, Any] | None
"""What an action answers: botocore's output shape as a dict; None for one that only says it is done."""

Action = Callable[[Call], Answer]
