"""A rollout under its own printed policy, and without one right of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.lab import lab
from tests.rights.kinds import IN_PLACE, KINDS
from tests.rights.parts import actions
from tests.rights.running import SMALL, denied, in_role, printed, run

pytestmark = pytest.mark.lab

RELAUNCH = next(kind for kind in KINDS if kind.name == "group")


def test_what_is_printed_is_enough_and_each_launch_needs_its_statements(tmp_path: Path) -> None:
    ran = run(RELAUNCH, tmp_path)
    assert [one.code for one in ran.ended] == [0], ran.ended[0].err
    assert denied(ran.policy, ran.asked) == []
    needed = {part.sid for part, rest in actions(ran.policy) if denied(rest, ran.asked)}
    assert needed >= {
        "Look",
        "Register",
        "LaunchTagged",
        "LaunchFrom",
        "ChangeGroup",
        "LaunchSource",
        "TerminateOurs",
    }


def test_a_missing_right_is_named_and_nothing_is_left_detached(tmp_path: Path) -> None:
    right = "elasticloadbalancing:DeregisterTargets"
    with lab(tmp_path, *SMALL) as made:
        IN_PLACE(made)
        policy = printed(made)
        lacking = next(rest for part, rest in actions(policy) if part.action == right)
        done = in_role(made, lacking).run("rollout", "--floor", "50%", "--yes")
        assert done.code == 1
        assert f"not authorized to perform: {right} on resource" in done.err
        assert made.releases() == ["1", "1"]
        assert made.run("status", "--output", "json").document["in_service"] == 2
