"""What may stand in the journal: JSON values, and never a secret (promise 17)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from deployer.model.errors import DeployerError
from deployer.secrets.masking import mask
from deployer.secrets.names import names_a_secret

_CLIENT_TOKEN = re.compile(r"dpl-[0-9a-f]{16,60}")
"""An idempotency token of ours (`launch_token`): worth nothing to anybody, and needed to find a lost launch."""


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


def fit_whole(value: object, where: str = "data") -> object:
    """The same, for what is read back and gone on with. Raises UnfitRecord for a text that would be masked."""
    found = fit(value, where)
    changed = next(_changed(value, found, where), None)
    if changed is not None:
        raise UnfitRecord(
            f"{changed} looks like a secret, or is the value of a variable that is named like one, and the journal "
            "holds none; a resume could not go on with what is masked. Take it out of the settings, or rename it"
        )
    return found


def _changed(value: object, fitted: object, where: str) -> Iterator[str]:
    match value, fitted:
        case str(), str():
            if value != fitted:
                yield where
        case Mapping(), dict():
            for key, item in value.items():
                yield from _changed(item, fitted[key], f"{where}.{key}")
        case ((list() | tuple()), list()):
            for index, (one, other) in enumerate(zip(value, fitted, strict=True)):
                yield from _changed(one, other, f"{where}[{index}]")


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
