"""How lab tests are spread over processes (`pytest -n 4 --dist loadgroup --no-loadscope-reorder -m lab`)."""

from __future__ import annotations

import pytest

LONGEST_FIRST = ("tests/backends/", "tests/examples/", "tests/lab/codedeploy/", "tests/e2e/")
"""Folders whose lab tests take minutes: one of them that began last would be waited for by idle processes."""
LAB_OF_ITS_OWN = "tests/e2e/"
"""Here every test boots a lab; elsewhere the tests of a file share one, and stay together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps together what shares a lab, and lets the longest begin first."""
    for item in items:
        if item.get_closest_marker("lab") is not None and not item.nodeid.startswith(LAB_OF_ITS_OWN):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("lab") is None:
        return 0
    folders = [turn for turn, folder in enumerate(LONGEST_FIRST) if item.nodeid.startswith(folder)]
    return folders[0] if folders else len(LONGEST_FIRST)
