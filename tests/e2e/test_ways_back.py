"""The ways back in a lab, under load: by itself when a release is bad, and by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import ROLLOUT, TestLab, load

pytestmark = pytest.mark.lab


def test_a_release_that_never_turns_healthy_leaves_every_old_instance_in_service(
    fleet: TestLab, tmp_path: Path
) -> None:
    fleet.with_bundles(tmp_path / "bundles")
    (tmp_path / "bundles" / "release-2" / "shop" / "FAULT").write_text("never\n")
    with load(fleet) as requests:
        done = fleet.run(*ROLLOUT, "--method", "in-place", "--floor", "50%")
    assert done.code == 1, done.err
    assert done.document["status"] == "rolled_back"
    assert fleet.releases() == ["1"] * 4
    assert requests["failed"] == 0


def test_a_rollback_needs_no_bake_and_loses_nothing(fleet: TestLab) -> None:
    forward = fleet.run(*ROLLOUT)
    assert forward.code == 0, forward.err
    with load(fleet) as requests:
        back = fleet.run("rollback", "--output", "json")
    assert (back.code, back.document["status"]) == (0, "succeeded"), back.err
    assert back.document["seconds"]["bake"] == 0
    assert back.document["seconds"]["total"] < forward.document["seconds"]["total"]
    assert fleet.releases() == ["1"] * 4
    assert requests["failed"] == 0
