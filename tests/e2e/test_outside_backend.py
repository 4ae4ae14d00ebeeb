"""A backend outside of the tree rolls a fleet out: nothing of the product knows its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.lab import IN_PLACE, TestLab, load

pytestmark = pytest.mark.lab


def test_a_backend_in_a_file_of_the_users_own_rolls_a_fleet_out_under_load(fleet: TestLab) -> None:
    shutil.copy(Path(__file__).parent / "outside" / "in_turn.py", fleet.folder / "in_turn.py")
    with load(fleet) as requests:
        done = fleet.run(*IN_PLACE, "--backend", "in_turn.py:InTurn")
    assert done.code == 0, done.err
    assert (done.document["status"], done.document["backend"]) == ("succeeded", "in_turn.py:InTurn")
    assert fleet.releases() == ["2"] * 4
    assert requests["failed"] == 0
    history = fleet.run("history")
    assert done.document["rollout"] in history.out
    native = fleet.run("resume", "--output", "json")
    assert native.document["status"] == "nothing_to_do", "its journal has ended, as any other's"
