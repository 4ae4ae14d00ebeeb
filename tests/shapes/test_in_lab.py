"""Three cells of the suite, in labs of their own: what a mix of traffic once hid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shapes.cells import chosen
from tests.shapes.results import Result
from tests.shapes.running import Runner

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    "cell",
    ["nlb half-close relaunch health", "alb slow in-place other", "nlb tcp relaunch both"],
)
def test_a_shape_alone_loses_nothing(cell: str, tmp_path: Path) -> None:
    told: list[Result] = []
    Runner(tmp_path / "logs").run(chosen(cell.split()), 1, told.append)
    [result] = told
    log = "\n".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert result.sent > 50, log
    # On a busy machine the load generator may withhold its verdict; a loss is a loss all the same.
    assert result.failed == 0, log
    assert result.good or result.status.value == "no verdict", log
