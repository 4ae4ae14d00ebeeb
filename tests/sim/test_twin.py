"""The engine in the twin: every promise, under every fault, on fleets of all kinds."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from deployer.engine.result import Status
from deployer.sim.__main__ import complaints, main
from deployer.sim.broken_strategy import Breakage, Breaks
from deployer.sim.catalogue import FAULTS
from deployer.sim.coverage import KINDS, Coverage
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.faults import OF_TRAFFIC, Fault
from deployer.sim.keeping import keep, kept
from deployer.sim.progress import Progress
from deployer.sim.run import simulate
from deployer.sim.setup import draw

KEPT = sorted((Path(__file__).parent / "kept").glob("*.json"))
"""Setups that have shown a broken promise once; each says what it was."""


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_broke_a_promise_does_not_any_more(path: Path) -> None:
    assert complaints(simulate(kept(path))) == []


def test_what_is_kept_is_read_back_as_it_was(tmp_path: Path) -> None:
    for seed in range(60):
        setup = draw(seed)
        assert kept(keep(setup, "because", tmp_path)) == setup
    crashing = replace(
        draw(1), crash=CrashPoint(3, Moment.HALF), new_type="m5.xlarge", breaks=Breaks(Breakage.NONSENSE, 4)
    )
    assert kept(keep(crashing, "because", tmp_path)) == crashing


@pytest.mark.parametrize("block", range(6))
def test_no_fault_breaks_a_promise(block: int) -> None:
    broken = {seed: complaints(simulate(draw(seed))) for seed in range(5000 + 25 * block, 5025 + 25 * block)}
    assert {seed: found for seed, found in broken.items() if found} == {}


def test_in_fair_weather_every_rollout_succeeds_and_a_second_one_changes_nothing() -> None:
    for seed in range(7000, 7040):
        outcome = simulate(draw(seed, faults=False))
        assert outcome.status is Status.SUCCEEDED, f"seed {seed}: {outcome.reason}"
        assert complaints(outcome) == [], f"seed {seed}"


def test_a_seed_gives_the_same_rollout_again() -> None:
    for seed in (3, 4, 16):
        told: list[list[str]] = [[], []]
        outcomes = [simulate(draw(seed), lines.append) for lines in told]
        assert told[0] == told[1]
        assert (outcomes[0].seconds, outcomes[0].calls) == (outcomes[1].seconds, outcomes[1].calls)


def test_what_was_never_reached_is_named() -> None:
    coverage = Coverage()
    coverage.add(simulate(draw(7000, faults=False)))
    missing = coverage.missing()
    assert "move GiveUp" in missing
    assert "fault 8 (no capacity)" in missing
    faults = set(Fault) - set(coverage.faults)  # what its traffic is like is not bad weather
    assert (
        len([name for name in missing if name.startswith("fault")]) == len(faults) >= len(Fault) - len(OF_TRAFFIC)
    )
    assert len([name for name in missing if name.startswith("rollout")]) == len(KINDS) - 1


def test_a_long_run_fails_where_a_fault_was_never_reached(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "4", "--jobs", "1", "--enough", "4"]) == 1
    assert "never reached: fault" in capsys.readouterr().out


def test_every_fault_of_the_list_is_in_the_twin_or_names_the_tests_that_show_it() -> None:
    assert [one.number for one in FAULTS if one.number <= 100] == [*range(1, 51), 57, 58, 59, 61, 70]
    assert {fault.value for fault in Fault} <= {one.number for one in FAULTS}
    assert [one.number for one in FAULTS if not one.in_twin and not one.tests] == []
    root = Path(__file__).parents[2]
    assert [path for one in FAULTS for path in one.tests if not (root / path).exists()] == []


def test_the_page_of_faults_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--faults"]) == 0
    assert (Path(__file__).parents[2] / "docs" / "faults.md").read_text() == capsys.readouterr().out


def test_progress_is_told_now_and_then_and_how_long_it_will_take() -> None:
    out, times = StringIO(), iter([0.0, 5.0, 10.0, 12.0])
    progress = Progress("rollouts", out, lambda: next(times))
    for done in (10, 20, 30):
        progress.reached(done, 40, "0 broke a promise")
    assert out.getvalue() == "20 of 40 rollouts, 0 broke a promise; 10 s, about 10 s to go\n"


def test_the_command_tells_how_many_kept_their_promises(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "4", "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "4 rollouts in" in said
    assert "0 broke a promise" in said
    assert "moves: " in said


def test_one_seed_is_replayed_with_everything_that_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "16"]) == 0
    said = capsys.readouterr().out
    assert all(planned.fault.name in said for planned in draw(16).faults)
    assert "Acted(" in said
    assert "processes ended: " in said
