"""The keys that open a lab: its owner's and its machines', made at random for each lab."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import string
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Key:
    """An access key, and who it stands for."""

    id: str
    secret: str
    arn: str
    """The identity that calls with it, as GetCallerIdentity names it."""
    token: str = ""
    """The session token that has to come with it; empty for a long-term key."""
    expires: float | None = None
    """Seconds since 1970; None for a long-term key."""
    owner: bool = False
    """Whether it also opens the lab's own pages."""


Keyring = Callable[[str], Key | None]
"""Finds a key by its id."""


@dataclass(frozen=True)
class Pair:
    """A key's id and its secret."""

    id: str
    secret: str

    @classmethod
    def make(cls) -> Pair:
        """A new one, at random, in the form that AWS's have."""
        name = "".join(secrets.choice(_LETTERS) for _ in range(16))
        return cls(f"AKIA{name}", secrets.token_urlsafe(30))


def web_identity_token(secret: str) -> str:
    """What a job shows as its OIDC token: the lab is its own identity provider, and believes its key."""
    return hmac.new(secret.encode(), b"deployer lab web identity", "sha256").hexdigest()


@dataclass(frozen=True)
class LabKeys:
    """The keys of one lab."""

    owner: Pair
    machines: Pair

    @classmethod
    def make(cls, path: Path) -> LabKeys:
        """New ones, kept in the file `path`, which only its owner can read."""
        made = cls(Pair.make(), Pair.make())
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(number, "w") as file:
            json.dump(asdict(made), file)
        return made

    @classmethod
    def load(cls, path: Path) -> LabKeys:
        """Those that `make` kept."""
        said = json.loads(path.read_text())
        return cls(Pair(**said["owner"]), Pair(**said["machines"]))

    def ring(self, account: str) -> Keyring:
        """Both by id, and the owner's web identity token; each may do all that AWS's root user may."""
        root = f"arn:aws:iam::{account}:root"
        token = web_identity_token(self.owner.secret)
        keys = {
            token: Key(token, "", f"arn:aws:sts::{account}:federated-user/job"),
            self.owner.id: Key(self.owner.id, self.owner.secret, root, owner=True),
            self.machines.id: Key(self.machines.id, self.machines.secret, root),
        }
        return keys.get
