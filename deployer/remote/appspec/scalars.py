"""YAML 1.1 scalars with the types that the CodeDeploy agent gives them.

The agent reads with Ruby's Psych, whose rules differ from PyYAML's: `1:30` is 5400, `0644` is 420, `1e3` is text.
"""

from __future__ import annotations

import re

Value = None | bool | int | float | str

_NULL = re.compile(r"~|null", re.IGNORECASE)
_TRUE = re.compile(r"yes|true|on", re.IGNORECASE)
_FALSE = re.compile(r"no|false|off", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)")
_TIME = re.compile(
    r"-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|\s+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:\s*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?"
)
_INFINITY = re.compile(r"([-+]?)\.inf", re.IGNORECASE)
_NAN = re.compile(r"\.nan", re.IGNORECASE)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9]){1,2}(\.[0-9_]*)?")
_BINARY = re.compile(r"[-+]?0b[01_,]+")
_OCTAL = re.compile(r"[-+]?0[0-7_,]+")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)")
_HEXADECIMAL = re.compile(r"[-+]?0x[0-9a-fA-F_,]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_,]*)?\.[0-9]*(?:[eE][+-][0-9]+)?")
_LEADING_INTEGER = re.compile(r"\s*([-+]?\d+(?:_\d+)*)")

_LONGEST_NUMBER = 300
"""Characters; a longer scalar is text. Python refuses to convert numbers of thousands of digits."""


def is_date(text: str) -> bool:
    """Whether an unquoted scalar is a date or a time, which the agent does not accept anywhere."""
    return bool(_DATE.fullmatch(text) or _TIME.fullmatch(text))


def plain_value(text: str) -> Value:
    """The value of an unquoted scalar."""
    if text == "" or _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    number = None if len(text) > _LONGEST_NUMBER else _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    if special := _INFINITY.fullmatch(text):
        return float(special[1] + "inf")
    if _NAN.fullmatch(text):
        return float("nan")
    if sexagesimal := _BASE_60.fullmatch(text):
        return _base_60(text, is_float=sexagesimal[1] is not None)
    if _FLOAT.fullmatch(text):
        return _float(text)
    return _integer(text)


def _integer(text: str) -> int | None:
    for pattern, base in ((_BINARY, 2), (_OCTAL, 8), (_DECIMAL, 10), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            digits = text.replace(",", "").replace("_", "")
            try:
                return int(digits, base)
            except ValueError:  # only separators after the prefix: `0x_`
                return None
    return None


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", "").replace("_", ""))
    except ValueError:  # a lone point
        return None


def _base_60(text: str, *, is_float: bool) -> int | float:
    """Psych counts from hours also with two parts: `1:30` is an hour and a half, in seconds."""
    convert = float if is_float else int
    total: float = 0
    for place, part in enumerate(text.split(":")):
        total += convert(part.replace("_", "")) * 60 ** (2 - place)
    return total if is_float else int(total)


def leading_integer(value: int | float | str) -> int | None:
    """The integer that a text begins with (`30s` is 30), or a number without its fraction; None without one."""
    if isinstance(value, str):
        match = _LEADING_INTEGER.match(value[:_LONGEST_NUMBER])
        return int(match[1]) if match else None
    try:
        return int(value)
    except (ValueError, OverflowError):  # nan and infinity
        return None
