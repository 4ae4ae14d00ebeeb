"""The one way in which texts lose their secrets: values that are known, forms that are known, names that say so."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.secrets.kinds import MASK, mask_kinds
from deployer.secrets.known import KNOWN
from deployer.secrets.notations import mask_named

__all__ = ["MASK", "mask", "masked_values"]


def mask(text: str) -> str:
    """The text with every secret replaced by `[redacted]`; masking it again changes nothing more."""
    return mask_named(mask_kinds(KNOWN.mask(text)))


def masked_values(value: object) -> object:
    """A JSON value with every text in it masked."""
    match value:
        case str():
            return mask(value)
        case Mapping():
            return {mask(str(key)): masked_values(item) for key, item in value.items()}
        case list() | tuple():
            return [masked_values(item) for item in value]
        case _:
            return value
