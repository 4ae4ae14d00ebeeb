"""Names that say that their value is a secret: of variables, settings, headers, fields and options."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SECRET_WORDS = frozenset(
    {"password", "passwords", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "tokens"}
    | {"credential", "credentials", "authorization", "cookie", "cookies", "apikey", "secretkey", "privatekey"}
)
_SECRET_PAIRS = frozenset(
    {
        (first, "key")
        for first in ("private", "api", "access", "signing", "secret", "account", "encryption", "master")
    }
    | {(first, "pass") for first in ("db", "database", "user", "admin", "root", "smtp", "mail", "mysql", "redis")}
    | {(first, "pass") for first in ("pg", "postgres", "ssh", "ftp", "http", "proxy", "login", "key", "store")}
)
_HARMLESS_PAIRS = frozenset(
    {("client", "token"), ("client", "tokens"), ("next", "token"), ("continuation", "token")}
)
_FOLDERS = frozenset({"PWD", "OLDPWD"})
"""A shell's own: where one is and was."""


def names_a_secret(key: str) -> bool:
    """Whether a field of that name is expected to hold a secret, going by how the name ends.

    >>> [names_a_secret(k) for k in ("DbPassword", "token", "client_token", "secret-santa", "secret_arn")]
    [True, True, False, False, False]
    """
    if key.strip() in _FOLDERS:
        return False
    words = tuple(word.lower() for word in _WORD.findall(key))
    if words[-2:] in _HARMLESS_PAIRS:
        return False
    return bool(words) and (words[-1] in _SECRET_WORDS or words[-2:] in _SECRET_PAIRS)
