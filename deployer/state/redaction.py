"""What may stand in the journal: JSON values, and never a secret (promise 17)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from deployer.model.errors import DeployerError

REDACTED = "[redacted]"

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_SECRET_WORDS = frozenset(
    {"password", "passwords", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "tokens"}
    | {"credential", "credentials", "authorization", "cookie", "cookies", "apikey"}
)
_SECRET_PAIRS = frozenset({("private", "key"), ("api", "key"), ("access", "key"), ("signing", "key")})
_HARMLESS_PAIRS = frozenset({("client", "token"), ("client", "tokens"), ("next", "token")})
_CLIENT_TOKEN = re.compile(r"dpl-[0-9a-f]{16,60}")
"""An idempotency token of ours (`launch_token`): worth nothing to anybody, and needed to find a lost launch."""
_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bxox[abprs]-[A-Za-z0-9-]{10,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=bearer ))[^\s&;,\"']+",
    re.DOTALL,
)


class UnfitRecord(DeployerError):
    """Something was to be written to the journal that has no place there; nothing was written."""


def fit(value: object, where: str = "data") -> object:
    """The value as JSON would read it back: mappings as dicts, sequences as lists, texts with secrets masked.

    Raises UnfitRecord for what is no JSON value, and for a text under a key whose name says that it is a
    secret (`password`, `db_secret`, `apiKey`). Client tokens of AWS calls are no secrets and pass.
    """
    match value:
        case None | bool() | int():
            return value
        case float():
            if not math.isfinite(value):
                raise UnfitRecord(f"the journal holds JSON values only, and {where} is {value}")
            return value
        case str():
            return mask(value)
        case Mapping():
            return {_fit_key(key, item, where): fit(item, f"{where}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [fit(item, f"{where}[{index}]") for index, item in enumerate(value)]
        case _:
            raise UnfitRecord(f"the journal holds JSON values only, and {where} is a {type(value).__name__}")


def mask(text: str) -> str:
    """The text with everything replaced that looks like a key, a password or a token of a known kind."""
    return _SECRET_TEXT.sub(REDACTED, text)


def names_a_secret(key: str) -> bool:
    """Whether a field of that name is expected to hold a secret, going by how the name ends.

    >>> [names_a_secret(k) for k in ("DbPassword", "token", "client_token", "secret-santa", "secret_arn")]
    [True, True, False, False, False]
    """
    words = tuple(word.lower() for word in _WORD.findall(key))
    if words[-2:] in _HARMLESS_PAIRS:
        return False
    return bool(words) and (words[-1] in _SECRET_WORDS or words[-2:] in _SECRET_PAIRS)


def _fit_key(key: object, value: object, where: str) -> str:
    if not isinstance(key, str):
        raise UnfitRecord(f"the journal holds JSON values only, and a key in {where} is a {type(key).__name__}")
    if isinstance(value, str) and _CLIENT_TOKEN.fullmatch(value):
        return key
    if names_a_secret(key) and isinstance(value, str | bytes) and value:
        raise UnfitRecord(
            f"{where}.{key} is named like a secret, and the journal holds none; leave it out, or rename it"
        )
    return key
