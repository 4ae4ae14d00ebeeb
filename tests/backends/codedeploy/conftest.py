"""One lab for the tests of a file: each goes on where the one before ended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.codedeploy.shell import Shell, a_lab


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with a_lab("--instances", "4", "--zones", "2") as started:
        started.environment |= {"DEPLOYER_BATCH": "2", "DEPLOYER_FLOOR": "2"}
        yield started
