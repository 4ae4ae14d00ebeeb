"""How large the product's files and functions may grow, and how many parameters a function may take."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def product() -> list[Path]:
    """Every file of the product, each once: two of its folders are links to the top of the repository."""
    links = {ROOT / "deployer" / name for name in ("strategies", "hooks", "examples")}
    found = [
        path
        for room in ("deployer", "strategies", "hooks")
        for path in sorted((ROOT / room).rglob("*.py"))
        if not links & set(path.parents)
    ]
    assert len(found) > 300
    return found


def functions() -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for path in product():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([one for one in every if one.arg not in ("self", "cls")])


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[int(len(values) * share)]


def test_no_file_has_more_lines_than_one_reads_at_a_sitting() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in product()}
    assert {name: count for name, count in long.items() if count > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen_and_hardly_any_longer_than_half() -> None:
    found = [(lines(one), one.name) for one in functions()]
    assert [one for one in found if one[0] > LONGEST_FUNCTION] == []
    assert percentile([length for length, _ in found], 0.99) <= 40


@pytest.mark.parametrize(("share", "most"), [(0.9, 4), (1.0 - 1e-9, 10)])
def test_functions_take_few_parameters(share: float, most: int) -> None:
    assert percentile([parameters(one) for one in functions()], share) <= most
