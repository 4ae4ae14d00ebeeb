"""What holds for all tests: how hypothesis runs, and the order of lab tests.

Lab test files are shared by several processes (`--dist loadfile --no-loadscope-reorder`).
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.profile import profile

settings.register_profile("deployer", profile(os.environ))
settings.load_profile("deployer")

LONGEST_FIRST = ("tests/backends/", "tests/examples/", "tests/lab/codedeploy/", "tests/e2e/")
"""Folders with files that take minutes: one of them that began last would be waited for by idle processes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets the longest lab tests begin first; the order of others stays."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker("lab") is None:
        return 0
    folders = [turn for turn, folder in enumerate(LONGEST_FIRST) if item.nodeid.startswith(folder)]
    return folders[0] if folders else len(LONGEST_FIRST)
