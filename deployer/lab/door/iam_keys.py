"""The access keys that the lab's IAM and STS gave out: those of users, and of sessions of roles."""

from __future__ import annotations

import itertools

from deployer.lab.door.keys import Key


def find_iam_key(key_id: str) -> Key | None:
    """The key of a user, or of a role's session; None for one that nobody was given or that is switched off."""
    return _of_session(key_id) or _of_user(key_id)


def _of_session(key_id: str) -> Key | None:
    from moto.sts.models import sts_backends

    for account in list(sts_backends.values()):
        for session in itertools.chain.from_iterable(backend.assumed_roles for backend in list(account.values())):
            if session.access_key_id == key_id:
                return Key(
                    key_id,
                    session.secret_access_key,
                    session.arn,
                    token=session.session_token,
                    expires=session.expiration.timestamp(),
                )
    return None


def _of_user(key_id: str) -> Key | None:
    from moto.iam.models import iam_backends

    for account in list(iam_backends.values()):
        for user in itertools.chain.from_iterable(list(b.users.values()) for b in list(account.values())):
            for key in user.access_keys:
                if key.access_key_id == key_id and key.status == "Active":
                    return Key(key_id, key.secret_access_key, user.arn)
    return None
