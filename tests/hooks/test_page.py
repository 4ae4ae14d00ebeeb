"""The examples of docs/hooks.md are taken as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.hooks.contract import Ended, environment_of
from deployer.model.occasions import Point, Verdict
from deployer.rollout.hooks.line import fit_hooks
from tests.hooks.conftest import call, doors, place

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_of_settings_makes_its_hooks_and_gates(tmp_path: Path, number: int) -> None:
    path = tmp_path / "deployer.toml"
    path.write_text(EXAMPLES[number])
    assert fit_hooks(read_fleets(read_document(path))["web"]).all


def test_the_example_of_ones_own_hook_and_gate_works(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "own.py").write_text(code)
    path = tmp_path / "deployer.toml"
    path.write_text(
        '[fleet.web]\nfind = { tags = { Service = "shop" } }\n'
        '[[fleet.web.hooks]]\nat = "before-drain"\nuse = "own.py:Maintenance"\n'
        '[[fleet.web.gates]]\nat = "after-instance"\nuse = "own.py:Quorum"\nsettings = { least = 1 }\n'
    )
    line = fit_hooks(read_fleets(read_document(path))["web"])
    asked = call(Point.BEFORE_DRAIN, instance=place(8080), instances=(place(8080),))
    known = doors(environment={"MONITORING_TOKEN": "t"})
    assert line.hooks[0].hook.run(asked, known).ended is Ended.PASSED
    assert line.gates[0].gate.judge(asked, known).verdict is Verdict.PASS


def test_every_variable_that_executables_get_is_documented() -> None:
    missing = [name for name in environment_of(call()) if f"`{name}`" not in PAGE]
    assert missing == []


def test_every_point_is_documented() -> None:
    assert [point.value for point in Point if f"`{point.value}`" not in PAGE] == []
