"""Metric math, as far as alarms on error rates need it: arithmetic, comparisons, and a few functions.

An expression is read by Python's own parser and only what is named here is carried out. A period in which a
metric has no data has no result either, unless FILL says what is meant. Division by zero has no result.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence

from deployer.lab.alarms.errors import invalid

Number = float | None
"""A value in one period; None where there is no data."""

_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OVER_ALL: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": lambda values: sum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
FUNCTIONS = ("ABS", "AVG", "CEIL", "FILL", "FLOOR", "IF", "MAX", "METRICS", "MIN", "SUM")


class Expression:
    """One expression. Raises ValidationError for what the lab cannot compute."""

    def __init__(self, text: str) -> None:
        self._text = text
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError:
            raise self._refusal("it is no expression") from None
        self._check(self._tree)

    @property
    def names(self) -> frozenset[str]:
        """The ids of other queries that it speaks of; METRICS() speaks of all."""
        named = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        return frozenset(named - set(FUNCTIONS))

    def value(self, known: Mapping[str, Number]) -> Number:
        """The result in one period, from the others' values in it."""
        return self._of(self._tree, known)

    def _refusal(self, why: str) -> Exception:
        return invalid(
            f"Error in expression '{self._text}': {why}. This lab computes + - * / **, comparisons and "
            f"{', '.join(FUNCTIONS)}."
        )

    def _check(self, tree: ast.AST) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else "?"
                if name not in FUNCTIONS:
                    raise self._refusal(f"the function {name} is not known")
            elif isinstance(node, ast.Constant):
                if not isinstance(node.value, int | float):
                    raise self._refusal(f"{node.value!r} is no number")
            elif not isinstance(node, _ALLOWED):
                raise self._refusal(f"{type(node).__name__} is not known")

    def _of(self, node: ast.expr, known: Mapping[str, Number]) -> Number:
        match node:
            case ast.Constant(value=int() | float() as constant):
                return float(constant)
            case ast.Name(id=name):
                return known.get(name)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                value = self._of(inner, known)
                return None if value is None else -value
            case ast.BinOp(left=left, op=op, right=right):
                return _apply(_ARITHMETIC[type(op)], self._of(left, known), self._of(right, known))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return _apply(_COMPARISONS[type(op)], self._of(left, known), self._of(right, known))
            case ast.Call(func=ast.Name(id=name), args=given):
                return self._call(name, given, known)
            case _:
                raise self._refusal(f"{type(node).__name__} does not stand for one number")

    def _call(self, name: str, given: Sequence[ast.expr], known: Mapping[str, Number]) -> Number:
        match name, given:
            case "FILL", [what, instead]:
                value = self._of(what, known)
                return self._of(instead, known) if value is None else value
            case "IF", [condition, yes, no]:
                held = self._of(condition, known)
                return None if held is None else self._of(yes if held else no, known)
            case "ABS" | "CEIL" | "FLOOR", [what]:
                value = self._of(what, known)
                return None if value is None else _ONE[name](value)
            case (("SUM" | "AVG" | "MIN" | "MAX"), [what]):
                values = [value for value in self._all(what, known) if value is not None]
                return float(_OVER_ALL[name](values)) if values else None
            case _:
                raise self._refusal(f"{name} does not take these {len(given)} arguments")

    def _all(self, node: ast.expr, known: Mapping[str, Number]) -> list[Number]:
        match node:
            case ast.List(elts=several):
                return [self._of(one, known) for one in several]
            case ast.Call(func=ast.Name(id="METRICS"), args=[]):
                return list(known.values())
            case _:
                return [self._of(node, known)]


_ALLOWED = (
    ast.Name,
    ast.Load,
    ast.BinOp,
    ast.UnaryOp,
    ast.USub,
    ast.Compare,
    ast.List,
    *_ARITHMETIC,
    *_COMPARISONS,
)
_ONE: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": lambda value: float(-(-value // 1)),
    "FLOOR": lambda value: float(value // 1),
}


def _apply(function: Callable[[float, float], float], left: Number, right: Number) -> Number:
    if left is None or right is None:
        return None
    try:
        return float(function(left, right))
    except (ArithmeticError, ValueError):
        return None
