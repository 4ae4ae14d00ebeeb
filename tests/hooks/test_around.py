"""Hooks around the loop: pinned with the rollout, ended by a request to stop, waited for with the lease kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from deployer.engine.clock import StopRequest
from deployer.engine.plan import RolloutPlan
from deployer.engine.result import Status
from deployer.hooks.contract import Judgement
from deployer.model.errors import ExitCode, PreflightRefused
from deployer.model.occasions import Occasion, Point, Verdict
from deployer.rollout.hooks.around import Hooked, Stopped, refuse_other_hooks
from deployer.rollout.hooks.line import Line, fit_hooks
from tests.hooks.test_line import fleet, gates, hooks
from tests.hooks.test_runner import NOW, PLAN, Bench, two
from tests.hooks.twin import Rehearsal, Scripted, gate_at, hook_at


def test_a_plan_keeps_its_hooks_through_the_journal_and_refuses_to_go_on_with_others(tmp_path: Path) -> None:
    line = fit_hooks(fleet(tmp_path, hooks('run = "./a"') + gates('use = "approval"')))
    pinned = RolloutPlan.from_json(replace(PLAN, hooks=line.pins()).to_json())
    refuse_other_hooks(line, pinned)
    changed = fit_hooks(fleet(tmp_path, hooks('run = "./a"\ntimeout = 1')))
    with pytest.raises(PreflightRefused, match="gate:approval, hook:a changed"):
        refuse_other_hooks(changed, pinned)
    with pytest.raises(PreflightRefused):
        refuse_other_hooks(Line(), pinned)


def waiting(bench: Bench, stop: StopRequest, beats: list[float]) -> Hooked:
    """Hooks around the loop of a bench; each beat is noted."""
    return Hooked(bench.runner, bench.clock, stop, lambda: beats.append(bench.clock.at))


def test_the_lease_is_kept_while_a_gate_is_waited_for_and_its_deadline_pauses() -> None:
    beats: list[float] = []
    gate = Scripted(judgements=[Judgement(Verdict.PENDING, "not yet")])
    bench = Bench(gate_at(Point.BEFORE_ROLLOUT, gate, deadline=60.0, interval=5.0))
    with pytest.raises(Stopped) as stopped:
        waiting(bench, StopRequest(), beats).before(Point.BEFORE_ROLLOUT, lambda: NOW)
    assert (stopped.value.status, stopped.value.code) == (Status.INTERRUPTED, ExitCode.PAUSED)
    assert max(later - before for before, later in pairwise(beats)) < 1.0


def test_a_request_to_stop_lets_what_runs_come_to_its_end_and_starts_nothing_new() -> None:
    stop = StopRequest()
    works: list[Callable[[], None]] = []
    first, second = Scripted(), Scripted()
    bench = Bench(two(first, second), starts=works.append)

    def beat() -> None:
        if stop.count:
            works[0]()
        else:
            stop.ask("SIGTERM")

    hooked = Hooked(bench.runner, bench.clock, stop, beat)
    with pytest.raises(Stopped) as stopped:
        hooked.before(Point.BEFORE_ROLLOUT, lambda: NOW)
    assert (stopped.value.status, stopped.value.code) == (Status.INTERRUPTED, ExitCode.TERMINATED)
    assert (len(first.calls), len(second.calls)) == (1, 0)
    assert bench.journal.kept[-1].data["verdict"] == "pass"


def test_a_hook_that_does_not_heed_the_end_of_the_time_after_a_signal_is_not_waited_for() -> None:
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, Scripted()), starts=lambda _work: None)
    stop = StopRequest(20.0, bench.clock.now)

    def beat() -> None:
        if stop.count == 0:
            stop.ask("SIGTERM")

    hooked = Hooked(bench.runner, bench.clock, stop, beat)
    began = bench.clock.at
    with pytest.raises(Stopped) as stopped:
        hooked.before(Point.BEFORE_ROLLOUT, lambda: NOW)
    assert (stopped.value.status, stopped.value.code) == (Status.INTERRUPTED, ExitCode.TERMINATED)
    assert 20.0 <= bench.clock.at - began < 30.0


def test_a_signal_that_came_before_a_hook_keeps_it_from_being_run() -> None:
    hook, stop = Scripted(), StopRequest()
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, hook))
    stop.ask("SIGINT")
    with pytest.raises(Stopped, match="asked to stop before the hooks and gates at before-rollout") as stopped:
        Hooked(bench.runner, bench.clock, stop, lambda: None).before(Point.BEFORE_ROLLOUT, lambda: NOW)
    assert (stopped.value.status, stopped.value.code) == (Status.INTERRUPTED, ExitCode.INTERRUPTED)
    assert hook.calls == []


def test_a_paused_rollout_goes_on_in_a_second_process_when_the_gate_agrees_and_repeats_no_hook() -> None:
    hook, gate = Scripted(), Scripted(judgements=[Judgement(Verdict.INCONCLUSIVE, "who knows")])
    line = Line(hook_at(Point.BEFORE_ROLLOUT, hook).hooks, gate_at(Point.AFTER_STEP, gate).gates)
    rehearsal = Rehearsal(line)
    assert rehearsal.run().line == "interrupted, exit 6: 3 on release 1 and 1 on release 2"
    gate.judgements = Scripted().judgements
    assert rehearsal.run().line == "succeeded, exit 0: 4 on release 2"
    assert len(hook.calls) == 1


def test_an_alarm_in_the_middle_turns_the_fleet_round() -> None:
    looks = [Judgement(Verdict.PASS)] * 4 + [Judgement(Verdict.FAIL, "errors is ALARM")]
    ended = Rehearsal(gate_at(Point.THROUGHOUT, Scripted(judgements=looks), interval=10.0)).run()
    assert ended.line == "rolled_back, exit 1: 4 on release 1"
    assert ended.result.reason == "throughout: gate: errors is ALARM"
    assert ended.in_service_least >= 3


def test_hooks_of_instances_run_on_the_way_back_too_and_those_of_the_end_tell_how_it_ended() -> None:
    drains, end = Scripted(), Scripted()
    bad = Scripted(judgements=[Judgement(Verdict.FAIL, "bad")])
    line = Line(
        (*hook_at(Point.BEFORE_DRAIN, drains, "drains").hooks, *hook_at(Point.AFTER_ROLLBACK, end, "end").hooks),
        gate_at(Point.AFTER_STEP, bad).gates,
    )
    ended = Rehearsal(line).run()
    assert ended.line == "rolled_back, exit 1: 4 on release 1"
    told_to = [(call.progress.value, call.release_to) for call in drains.calls]
    assert told_to == [("running", "2"), ("rolling-back", "1")]
    (told,) = end.calls
    assert (told.progress.value, told.reason) == ("rolled-back", "after-step of 1: gate: bad")


def test_a_point_without_hooks_looks_at_nothing() -> None:
    def look() -> object:
        raise AssertionError("nothing was to be looked at")

    bench = Bench(hook_at(Point.AFTER_SUCCESS, Scripted()))
    waiting(bench, StopRequest(), []).before(Point.BEFORE_ROLLOUT, look)  # type: ignore[arg-type]
    assert bench.runner.ruling_at(Occasion(Point.BEFORE_ROLLOUT), back=False).verdict is Verdict.PASS
