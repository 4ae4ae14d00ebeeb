"""Runs a kind of rollout as a role that has the printed policy alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.lab.iam.policy import Answer, Asked, Policies, statements
from tests.e2e.lab import Ended, TestLab, lab
from tests.rights.kinds import Kind

SMALL = ("--instances", "2", "--zones", "2", "--boot", "1", "--deregistration-delay", "2")
ROLE = "deployer"
_OF_THE_MOMENT = frozenset({"aws:currenttime", "aws:epochtime"})

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Ran:
    """A kind's policy, how its commands ended, and which rights they asked for (each once)."""

    policy: Document
    ended: tuple[Ended, ...]
    asked: tuple[Asked, ...]


def run(kind: Kind, home: Path) -> Ran:
    """In a lab of its own, which is down again afterwards."""
    with lab(home, *SMALL, *kind.lab) as made:
        for step in kind.set_up:
            step(made)
        policy = printed(made, *kind.policy)
        as_role = in_role(made, policy)
        ended = tuple(as_role.run(*words) for _, words in kind.commands)
        return Ran(policy, ended, asked_in(made))


def printed(made: TestLab, *options: str) -> Document:
    """What `deployer iam-policy --from-fleet` prints."""
    done = made.run("iam-policy", "--from-fleet", *options)
    assert done.code == 0, done.err
    return done.document


def in_role(made: TestLab, policy: Document) -> TestLab:
    """The same lab with the credentials of a role that has this policy."""
    iam = made.client("iam")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="fleet", PolicyDocument=json.dumps(policy))
    given = made.client("sts").assume_role(RoleArn=role, RoleSessionName="rollout")["Credentials"]
    keys = {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    return TestLab(made.folder, {**made.environment, **keys})


def asked_in(made: TestLab) -> tuple[Asked, ...]:
    """The lab's trail, each right once."""
    home = made.environment["DEPLOYER_LAB_HOME"], made.environment["DEPLOYER_LAB"]
    found = {}
    for line in Path(*home, "trail.jsonl").read_text().splitlines():
        one = json.loads(line)
        context = {key: tuple(values) for key, values in one["context"].items() if key not in _OF_THE_MOMENT}
        asked = Asked(one["action"], one["resource"], context)
        found[json.dumps([one["action"], one["resource"], sorted(context.items())])] = asked
    return tuple(found.values())


def denied(policy: Document, asked: Iterable[Asked]) -> list[Asked]:
    """The rights that the policy does not give."""
    policies = Policies(statements(policy))
    return [one for one in asked if policies.answer(one) is not Answer.ALLOWED]
