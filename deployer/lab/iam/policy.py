"""Policy documents, and what they say to a request (IAM user guide, "Policy evaluation logic")."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import unquote

from deployer.lab.iam.conditions import Context, holds
from deployer.lab.iam.patterns import action_matches, resource_matches


@dataclass(frozen=True)
class Asked:
    """One right that a request needs: an action on one resource, and the condition keys that go with it."""

    action: str
    resource: str = "*"
    """The resource's ARN; `*` for an action that is on none."""
    context: Context = field(default_factory=dict)


class Answer(Enum):
    """What policies say."""

    ALLOWED = "allowed"
    EXPLICIT = "explicitly denied"
    IMPLICIT = "no policy allows it"


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, with its lists as lists."""

    sid: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, Sequence[str]]]
    other_actions: bool = False
    """NotAction: all but `actions`."""
    other_resources: bool = False
    """NotResource: all but `resources`."""

    def speaks_of(self, asked: Asked) -> bool:
        """Whether it says anything about the right. Raises UnknownOperator."""
        action = any(action_matches(one, asked.action) for one in self.actions) != self.other_actions
        if not action:
            return False
        on = any(resource_matches(one, asked.resource, asked.context) for one in self.resources)
        return on != self.other_resources and holds(self.condition, asked.context)


@dataclass(frozen=True)
class Policies:
    """All that is said of one identity; a request has to pass each set that is there."""

    identity: tuple[Statement, ...]
    limits: tuple[tuple[Statement, ...], ...] = ()
    """A permissions boundary, and the policies of a session: what these do not allow is not allowed."""

    def answer(self, asked: Asked) -> Answer:
        """What they say to one right."""
        sets = (self.identity, *self.limits)
        if any(not one.allows and one.speaks_of(asked) for every in sets for one in every):
            return Answer.EXPLICIT
        allowed = all(any(one.allows and one.speaks_of(asked) for one in every) for every in sets)
        return Answer.ALLOWED if allowed else Answer.IMPLICIT


def statements(document: str | Mapping[str, object]) -> tuple[Statement, ...]:
    """The statements of a policy document, as JSON (percent-encoded, as IAM keeps it, or plain) or read."""
    if isinstance(document, str):
        document = json.loads(document if document.lstrip().startswith("{") else unquote(document))
    said = _mapping(document).get("Statement", ())
    return tuple(_statement(one) for one in ([said] if isinstance(said, Mapping) else _list(said)))


def _statement(raw: object) -> Statement:
    raw = _mapping(raw)
    condition = _mapping(raw.get("Condition") or {})
    return Statement(
        sid=str(raw.get("Sid", "")),
        allows=raw.get("Effect") == "Allow",
        actions=_texts(raw.get("Action", raw.get("NotAction", ()))),
        resources=_texts(raw.get("Resource", raw.get("NotResource", ()))),
        condition={
            operator: {key: _texts(values) for key, values in _mapping(keys).items()}
            for operator, keys in condition.items()
        },
        other_actions="NotAction" in raw,
        other_resources="NotResource" in raw,
    )


def _mapping(raw: object) -> Mapping[str, object]:
    """Raises TypeError for what is no JSON object."""
    if not isinstance(raw, Mapping):
        raise TypeError(f"a policy has {raw!r} where an object belongs")
    return raw


def _texts(raw: object) -> tuple[str, ...]:
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in _list(raw))


def _list(raw: object) -> Iterable[object]:
    return raw if isinstance(raw, Sequence) and not isinstance(raw, str) else (raw,)
