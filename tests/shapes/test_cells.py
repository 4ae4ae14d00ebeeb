"""What the shape suite runs, and what it makes of a demo's end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from deployer.lab.demo.options import Balancer
from deployer.lab.load.shapes import Shape
from deployer.lab.order import TrafficPort
from deployer.model.policy import Method
from tests.shapes.bugs import BUGS, put_back
from tests.shapes.cells import Cell, all_cells, chosen
from tests.shapes.results import Result, Shelf, Status, document, line, read
from tests.shapes.running import Runner

CELL = Cell(Shape.SLOW, Balancer.NLB, Method.RELAUNCH, TrafficPort.OTHER)


def ended(
    sent: int = 10, failed: int = 0, *, trustworthy: bool = True, status: str = "succeeded"
) -> dict[str, Any]:
    requests = {"sent": sent, "failed": failed, "failures": {}, "trustworthy": trustworthy, "reason": None}
    return {"status": status, "requests": requests}


def test_each_shape_balancer_and_method_is_a_cell_on_the_health_port_and_on_another() -> None:
    found = [cell for cell in all_cells() if cell.traffic in (TrafficPort.HEALTH, TrafficPort.OTHER)]
    assert len(found) == len(set(found)) == len(Shape) * len(Balancer) * len(Method) * 2


def test_a_cell_that_does_not_apply_says_why() -> None:
    without = {cell for cell in all_cells() if cell.not_applicable is not None}
    assert {(cell.balancer, cell.shape) for cell in without if cell.traffic is not TrafficPort.NGINX} == {
        (Balancer.ALB, Shape.TCP),
        (Balancer.ALB, Shape.HALF_CLOSE),
    }
    assert all("listener" in str(cell.not_applicable) or "nginx" in str(cell.not_applicable) for cell in without)


def test_words_choose_and_a_comma_is_an_or() -> None:
    assert {cell.balancer for cell in chosen(["nlb,classic", "half-close"])} == {Balancer.NLB, Balancer.CLASSIC}
    assert {cell.shape for cell in chosen(["nlb,classic", "half-close"])} == {Shape.HALF_CLOSE}
    assert chosen(["nlb", "slow", "relaunch", "other"]) == [CELL]
    with pytest.raises(ValueError, match="'half-closed' is in no cell; expected words of alb"):
        chosen(["half-closed"])


@pytest.mark.parametrize(
    ("code", "found", "status"),
    [
        (0, ended(), Status.OK),
        (1, ended(failed=1), Status.LOST),
        (3, ended(trustworthy=False), Status.NO_VERDICT),
        (3, ended(failed=2, trustworthy=False), Status.LOST),
        (1, ended(status="rolled_back"), Status.FAILED),
        (5, ended(failed=3, status="failed"), Status.FAILED),
        (3, ended(), Status.FAILED),
        (2, None, Status.FAILED),
    ],
)
def test_a_cell_is_ok_only_when_its_demo_was(code: int, found: dict[str, Any] | None, status: Status) -> None:
    assert read(CELL, code, found, 1.0).status is status


def test_results_are_kept_and_told(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "kept")
    assert shelf.get(CELL) is None
    result = Result(str(CELL), Status.LOST, 10, 2, {"reset": 2})
    shelf.put(result)
    assert shelf.get(CELL) == result
    assert line(result).split() == ["nlb", "slow", "relaunch", "other", "10", "2", "lost", "reset:", "2"]
    assert document([result])["failed"] == 2
    assert document([result])["by_status"] == {"lost": 1}


def test_a_cell_without_a_verdict_is_tried_again_and_one_with_a_loss_is_not(tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    code = "import json, pathlib, sys; p = pathlib.Path(sys.argv[1]); n = len(p.read_text()) if p.exists() else 0; "
    code += (
        "p.write_text('x' * (n + 1)); print(sys.argv[2] if n == 0 else sys.argv[3]); sys.exit(3 if n == 0 else 1)"
    )
    doubtful, lost = json.dumps(ended(trustworthy=False)), json.dumps(ended(failed=1))
    told: list[Result] = []
    demo = (sys.executable, "-c", code, str(counted), doubtful, lost)
    Runner(tmp_path / "logs", tries=3, demo=demo).run([CELL], 1, told.append)
    assert [result.status for result in told] == [Status.LOST]
    assert counted.read_text() == "xx"


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_bug_can_be_put_back_and_its_cells_apply(name: str, tmp_path: Path) -> None:
    bug = BUGS[name]
    copy = put_back(bug, tmp_path / "copy")
    compile((copy / bug.path).read_text(), bug.path, "exec")
    cells = chosen(bug.cells)
    assert cells
    assert all(cell.not_applicable is None for cell in cells)
