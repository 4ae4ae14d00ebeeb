"""The `Condition` of a statement (IAM user guide, "IAM JSON policy elements: Condition operators")."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from deployer.lab.iam.patterns import arn_matches, filled_in, text_matches

Context = Mapping[str, Sequence[str]]
"""A request's condition keys, in small letters, each with its values; one that is absent has no entry."""

_Test = Callable[[str, str, Context], bool]
"""Whether a request's value (second) is as a policy's (first)."""


class UnknownOperator(ValueError):
    """A condition operator that IAM does not have, or that the lab does not know."""


def holds(condition: Mapping[str, Mapping[str, Sequence[str]]], context: Context) -> bool:
    """Whether all of it holds: every operator, every key of it, one of its values. Raises UnknownOperator."""
    return all(
        _holds(operator, key.lower(), wanted, context)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _holds(operator: str, key: str, wanted: Sequence[str], context: Context) -> bool:
    quantifier, colon, name = operator.rpartition(":")
    found = context.get(key)
    if name == "Null":
        return any((found is None) == (one.lower() == "true") for one in wanted)
    if name.endswith("IfExists"):
        if found is None:
            return True
        name = name.removesuffix("IfExists")
    test, negated = _operator(name)
    if found is None:
        # Without the key nothing is like a value, and everything is unlike it; an empty set is like all of it.
        return negated or quantifier == "ForAllValues"

    def fits(value: str) -> bool:
        return any(test(one, value, context) for one in wanted) != negated

    match quantifier if colon else "":
        case "ForAllValues":
            return all(fits(value) for value in found)
        case "ForAnyValue" | "":
            return any(fits(value) for value in found)
        case _:
            raise UnknownOperator(f"{operator} begins with neither ForAllValues: nor ForAnyValue:")


def _operator(name: str) -> tuple[_Test, bool]:
    positive = name.replace("NotEquals", "Equals").replace("NotLike", "Like").replace("NotIpAddress", "IpAddress")
    test = _TESTS.get(positive)
    if test is None:
        raise UnknownOperator(f"{name} is no condition operator that the lab knows; it knows {', '.join(_TESTS)}")
    return test, positive != name


def _equal(wanted: str, found: str, context: Context) -> bool:
    return filled_in(wanted, context) == found


def _equal_in_any_case(wanted: str, found: str, context: Context) -> bool:
    filled = filled_in(wanted, context)
    return filled is not None and filled.lower() == found.lower()


def _like(wanted: str, found: str, context: Context) -> bool:
    return text_matches(wanted, found, context)


def _arn_like(wanted: str, found: str, context: Context) -> bool:
    return arn_matches(wanted, found, context)


def _true(wanted: str, found: str, _context: Context) -> bool:
    return wanted.lower() == found.lower()


def _address(wanted: str, found: str, _context: Context) -> bool:
    try:
        return ipaddress.ip_address(found) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _number(compare: Callable[[float, float], bool]) -> _Test:
    def test(wanted: str, found: str, _context: Context) -> bool:
        try:
            return compare(float(found), float(wanted))
        except ValueError:
            return False

    return test


def _date(compare: Callable[[float, float], bool]) -> _Test:
    def test(wanted: str, found: str, _context: Context) -> bool:
        try:
            return compare(_moment(found), _moment(wanted))
        except ValueError:
            return False

    return test


def _moment(text: str) -> float:
    """ISO 8601, or seconds since 1970."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "Equals": lambda found, wanted: found == wanted,
    "LessThan": lambda found, wanted: found < wanted,
    "LessThanEquals": lambda found, wanted: found <= wanted,
    "GreaterThan": lambda found, wanted: found > wanted,
    "GreaterThanEquals": lambda found, wanted: found >= wanted,
}
_TESTS: Mapping[str, _Test] = {
    "StringEquals": _equal,
    "StringEqualsIgnoreCase": _equal_in_any_case,
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _true,
    "BinaryEquals": _equal,
    "IpAddress": _address,
    **{f"Numeric{name}": _number(compare) for name, compare in _COMPARISONS.items()},
    **{f"Date{name}": _date(compare) for name, compare in _COMPARISONS.items()},
}
