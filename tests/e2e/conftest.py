"""Labs for the end-to-end tests; each test gets one of its own, so that none depends on another's order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import TestLab, lab


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[TestLab]:
    """Four instances of release 1 behind an ALB. Its delay is longer than the longest request of the load."""
    with lab(tmp_path, "--instances", "4", "--boot", "3", "--deregistration-delay", "10") as made:
        yield made
