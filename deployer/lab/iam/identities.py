"""What the policies of the lab's users, groups and roles say, as moto's IAM keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from deployer.lab.door.keys import Key
from deployer.lab.iam.policy import Policies, Statement, statements


def policies_of(who: Key) -> Policies | None:
    """Of a user, or of a role's session; None for who may do everything (the lab's own keys, AWS's root user)."""
    if who.arn.endswith(":root"):
        return None
    from moto.iam.models import iam_backends

    account = who.arn.split(":")[4]
    for backend in list(iam_backends[account].values()):
        if ":assumed-role/" in who.arn:
            name = who.arn.split("/")[1]
            found = next((role for role in list(backend.roles.values()) if role.name == name), None)
            if found is not None:
                return Policies(_read(_of_role(found)), (*_boundary(backend, found), *_session(account, who)))
        for user in list(backend.users.values()):
            if user.arn == who.arn:
                return Policies(_read(_of_user(backend, user)), _boundary(backend, user))
    return Policies(())


def _read(documents: Iterable[Any]) -> tuple[Statement, ...]:
    return tuple(statement for one in documents for statement in statements(one))


def _of_role(role: Any) -> Iterator[Any]:
    yield from role.policies.values()
    yield from (one.document for one in role.managed_policies.values())


def _of_user(backend: Any, user: Any) -> Iterator[Any]:
    yield from user.policies.values()
    yield from (one.document for one in user.managed_policies.values())
    for group in backend.get_groups_for_user(user.name):
        yield from group.policies.values()
        yield from (one.document for one in group.managed_policies.values())


def _boundary(backend: Any, who: Any) -> tuple[tuple[Statement, ...], ...]:
    """moto keeps those of roles; its users have none."""
    arn = getattr(who, "permissions_boundary_arn", None)
    return (statements(backend.managed_policies[arn].document),) if arn else ()


def _session(account: str, who: Key) -> tuple[tuple[Statement, ...], ...]:
    """The policy that AssumeRole was given, which narrows the session (IAM user guide, "Session policies")."""
    from moto.sts.models import sts_backends

    for backend in list(sts_backends[account].values()):
        for session in backend.assumed_roles:
            if session.access_key_id == who.id and session.policy:
                return (statements(session.policy),)
    return ()
