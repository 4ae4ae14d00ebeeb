"""A policy with one of its parts taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.rights.running import Document


@dataclass(frozen=True)
class Part:
    """A statement's action, or a key of its condition."""

    sid: str
    action: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"{self.sid} {self.action or self.key}"


def actions(policy: Document) -> Iterator[tuple[Part, Document]]:
    """Each action of each statement, and the policy without it."""
    for one in policy["Statement"]:
        for action in one["Action"]:
            rest = [other for other in one["Action"] if other != action]
            yield Part(one["Sid"], action=action), _with(policy, one, {**one, "Action": rest} if rest else None)


def conditions(policy: Document) -> Iterator[tuple[Part, Document]]:
    """Each condition key of each statement, and the policy that does not ask for it."""
    for one in policy["Statement"]:
        for operator, keys in one.get("Condition", {}).items():
            for key in keys:
                rest = {name: value for name, value in keys.items() if name != key}
                condition = {**one["Condition"], operator: rest}
                yield Part(one["Sid"], key=key), _with(policy, one, {**one, "Condition": condition})


def _with(policy: Document, old: Any, new: Any) -> Document:
    found = [new if one is old else one for one in policy["Statement"]]
    return {**policy, "Statement": [one for one in found if one is not None]}
