"""One API call of Auto Scaling, as the actions see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.lab.autoscaling.errors import invalid
from deployer.lab.autoscaling.records import Group
from deployer.lab.autoscaling.service import Groups


@dataclass(frozen=True)
class Call:
    """The parameters by their botocore member names."""

    service: Groups
    params: Mapping[str, Any]

    @property
    def group(self) -> Group:
        """The group that the call is about. Raises ValidationError."""
        return self.service.group(self.text("AutoScalingGroupName"))

    def text(self, name: str) -> str | None:
        """A parameter's text, None when it is absent or empty."""
        value = self.params.get(name)
        return None if value in (None, "") else str(value)

    def need(self, name: str) -> str:
        """A parameter's text; raises ValidationError without it."""
        value = self.text(name)
        if value is None:
            raise invalid(f"1 validation error detected: Value null at '{name}' failed to satisfy constraint.")
        return value

    def texts(self, name: str) -> list[str]:
        """A list parameter, empty when absent."""
        return [str(value) for value in self.params.get(name) or ()]

    def number(self, name: str) -> int | None:
        """An integer parameter."""
        value = self.params.get(name)
        return None if value is None else int(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean parameter."""
        value = self.params.get(name)
        return default if value is None else str(value).lower() == "true"

    def ids(self, most: int) -> list[str]:
        """InstanceIds, at most so many. Raises ValidationError."""
        found = self.texts("InstanceIds")
        if len(found) > most:
            raise invalid(f"The maximum number of instance IDs that can be given in one call is {most}.")
        return found


Answer = Mapping[str, Any] | None
Action = Callable[[Call], Answer]
