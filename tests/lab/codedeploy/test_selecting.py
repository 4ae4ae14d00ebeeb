"""Which instances a group means: by tags joined in either way, by Auto Scaling groups, and stopped ones too."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer.lab.codedeploy.selecting import GROUP_TAG, select
from deployer.lab.context import InstanceDirectory, Power


@dataclass
class Directory:
    """What stands in the lab."""

    found: list[Any]

    def all(self) -> list[Any]:
        return self.found


def one(ident: str, power: Power = Power.RUNNING, **tags: str) -> Any:
    return SimpleNamespace(id=ident, zone="a", power=power, tags=tags)


THERE = [
    one("i-1", Role="web", Stage="prod"),
    one("i-2", Role="web", Stage="test"),
    one("i-3", Power.STOPPED, Role="web", Stage="prod"),
    one("i-4", Power.TERMINATED, Role="web", Stage="prod"),
    one("i-5", Power.RUNNING, **{GROUP_TAG: "shop"}),
]


def tag(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value, "Type": "KEY_AND_VALUE"}


@pytest.mark.parametrize(
    ("document", "ids"),
    [
        ({"ec2TagFilters": [tag("Role", "web")]}, ["i-1", "i-2", "i-3"]),
        ({"ec2TagFilters": [tag("Stage", "test"), tag("Stage", "prod")]}, ["i-1", "i-2", "i-3"]),
        ({"ec2TagSet": {"ec2TagSetList": [[tag("Role", "web")], [tag("Stage", "test")]]}}, ["i-2"]),
        ({"autoScalingGroups": ["shop"]}, ["i-5"]),
        ({}, []),
    ],
)
def test_filters_of_a_list_are_joined_by_or_and_lists_by_and(document: dict[str, Any], ids: list[str]) -> None:
    assert [found.id for found in select(cast("InstanceDirectory", Directory(THERE)), document)] == ids
