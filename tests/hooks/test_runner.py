"""What runs hooks beside the loop: order, retries, run-once, timeouts, policies, and what the journal tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.config.hooks import GatePolicy, GateSettings, HookFailure, HookSettings
from deployer.engine.events import Event, Failed, Noted
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Record
from deployer.hooks.approval import Approval as ApprovalGate
from deployer.hooks.contract import HookCall, HookOutcome, Judgement, error, failed, passed
from deployer.hooks.doors import Doors
from deployer.model.capacity import Limits
from deployer.model.occasions import Occasion, Point, Verdict
from deployer.model.policy import Policy
from deployer.rollout.hooks.calls import Approval, Caller, Standing
from deployer.rollout.hooks.line import FittedGate, FittedHook, Line
from deployer.rollout.hooks.runner import MARGIN, HookRunner
from tests.builders import GOAL, PREVIOUS, old, seen, slot
from tests.hooks.twin import Scripted, at_once, gate_at, hook_at

START = Occasion(Point.BEFORE_ROLLOUT)
STEP = Occasion(Point.AFTER_STEP, "1")
ALWAYS = Occasion(Point.THROUGHOUT)
LIMITS = Limits(1, 1, 0, 0)
PLAN = RolloutPlan("r-1", "web", "rolling", {}, PREVIOUS, GOAL, LIMITS, Policy(), (), ())
NOW = seen([slot("s", old("i-1"))])


@dataclass
class Clock:
    """Time that passes when it is told to."""

    at: float = 100.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Notes:
    """A journal in memory."""

    kept: list[Record] = field(default_factory=list)

    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> Record:
        self.kept.append(Record(len(self.kept), 0.0, "r-1", 1, kind, subject, data))
        return self.kept[-1]

    def records(self) -> Sequence[Record]:
        return tuple(self.kept)


@dataclass
class Bench:
    """A runner with everything around it."""

    line: Line
    journal: Notes = field(default_factory=Notes)
    clock: Clock = field(default_factory=Clock)
    events: list[Event] = field(default_factory=list)
    starts: Callable[[Callable[[], None]], None] = at_once
    approval: Approval | None = None
    runner: HookRunner = field(init=False)

    def __post_init__(self) -> None:
        self.runner = HookRunner(
            self.line,
            Caller(PLAN, Path(), 8080),
            self.journal,
            self.clock,
            self.events.append,
            Doors(),
            self.starts,
            lambda: self.approval,
        )

    def ask(self, occasion: Occasion = START) -> Verdict:
        """Asks once, takes in what came back, and gives the ruling."""
        self.runner.ask_at(occasion, Standing(NOW))
        self.runner.rulings(rolling_back=False)
        return self.runner.ruling_at(occasion, back=False).verdict

    @property
    def warnings(self) -> list[str]:
        """The warnings and failures so far."""
        found = [event.text for event in self.events if isinstance(event, Noted) and event.warning]
        return found + [event.reason for event in self.events if isinstance(event, Failed)]


def two(first: Scripted, second: Scripted, point: Point = Point.BEFORE_ROLLOUT) -> Line:
    """Two hooks at one point."""
    rules = HookSettings(at=point)
    return Line(hooks=(FittedHook("one", first, rules), FittedHook("two", second, rules)))


def test_hooks_of_a_point_run_in_their_order_and_the_second_not_after_a_failure() -> None:
    first, second = Scripted(), Scripted()
    bench = Bench(two(first, second))
    assert bench.ask() is Verdict.PENDING
    assert (len(first.calls), len(second.calls)) == (1, 0)
    bench.ask()
    assert bench.ask() is Verdict.PASS
    assert len(second.calls) == 1
    bad, never = Scripted([failed("no")]), Scripted()
    bench = Bench(two(bad, never))
    bench.ask()
    assert bench.ask() is Verdict.FAIL
    assert never.calls == []


def test_gates_are_asked_after_the_hooks_of_their_point() -> None:
    hook, gate = Scripted(), Scripted()
    line = Line(
        (FittedHook("h", hook, HookSettings(at=Point.BEFORE_ROLLOUT)),),
        (FittedGate("g", gate, GateSettings(at=Point.BEFORE_ROLLOUT)),),
    )
    bench = Bench(line)
    bench.ask()
    assert gate.calls == []
    bench.ask()
    assert bench.ask() is Verdict.PASS


def test_a_hook_is_tried_again_after_a_pause_as_often_as_it_may_be() -> None:
    hook = Scripted([failed("1"), error("2"), passed()])
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, hook, retries=2))
    assert bench.ask() is Verdict.PENDING
    bench.ask()
    assert len(hook.calls) == 1  # the pause has not passed
    bench.clock.at += 1.0
    bench.ask()
    assert len(hook.calls) == 2
    bench.clock.at += 2.0
    bench.ask()
    assert bench.ask() is Verdict.PASS
    assert len(hook.calls) == 3
    assert {call.run_id for call in hook.calls} == {hook.calls[0].run_id}


@pytest.mark.parametrize(
    ("policy", "verdict", "warned"),
    [
        (HookFailure.FAIL, Verdict.FAIL, True),
        (HookFailure.WARN, Verdict.PASS, True),
        (HookFailure.IGNORE, Verdict.PASS, False),
    ],
)
@pytest.mark.parametrize("outcome", [failed("no"), error("no")], ids=["fails", "errs"])
def test_what_a_hooks_failure_means_is_its_policy(
    outcome: HookOutcome, policy: HookFailure, verdict: Verdict, warned: bool
) -> None:
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, Scripted([outcome]), on_failure=policy))
    bench.ask()
    assert bench.ask() is verdict
    assert bool(bench.warnings) is warned


@pytest.mark.parametrize(
    ("judged", "settings", "verdict"),
    [
        (Verdict.FAIL, {}, Verdict.FAIL),
        (Verdict.ERROR, {}, Verdict.ERROR),
        (Verdict.INCONCLUSIVE, {}, Verdict.INCONCLUSIVE),
        (Verdict.FAIL, {"on_failure": GatePolicy.PAUSE}, Verdict.INCONCLUSIVE),
        (Verdict.ERROR, {"on_error": GatePolicy.FAIL}, Verdict.FAIL),
        (Verdict.INCONCLUSIVE, {"on_inconclusive": GatePolicy.STOP}, Verdict.ERROR),
        (Verdict.FAIL, {"on_failure": GatePolicy.PASS}, Verdict.PASS),
    ],
)
def test_what_a_gates_verdict_means_is_its_policy(
    judged: Verdict, settings: dict[str, object], verdict: Verdict
) -> None:
    gate = Scripted(judgements=[Judgement(judged, "so")])
    bench = Bench(gate_at(Point.AFTER_STEP, gate, **settings))
    bench.ask(STEP)
    assert bench.ask(STEP) is verdict
    assert bench.warnings


def test_a_pending_gate_is_asked_at_its_interval_until_its_deadline_and_is_inconclusive_then() -> None:
    gate = Scripted(judgements=[Judgement(Verdict.PENDING, "not yet")])
    bench = Bench(gate_at(Point.AFTER_STEP, gate, interval=10.0, deadline=25.0))
    for _ in range(5):
        bench.ask(STEP)
        bench.clock.at += 5.0
    assert len(gate.calls) == 3
    assert bench.ask(STEP) is Verdict.PENDING
    bench.clock.at += 5.0
    assert bench.ask(STEP) is Verdict.INCONCLUSIVE
    assert [len(call.earlier) for call in gate.calls] == [0, 1, 2, 3]


def test_a_standing_gate_is_asked_again_after_it_passed_and_begins_anew_each_time() -> None:
    looks = [Judgement(Verdict.PASS), Judgement(Verdict.PENDING), Judgement(Verdict.FAIL, "ALARM")]
    gate = Scripted(judgements=looks)
    bench = Bench(gate_at(Point.THROUGHOUT, gate, interval=10.0))
    bench.ask(ALWAYS)
    assert bench.ask(ALWAYS) is Verdict.PASS
    for _ in range(2):
        bench.clock.at += 10.0
        bench.ask(ALWAYS)
    assert bench.ask(ALWAYS) is Verdict.FAIL
    assert [len(call.earlier) for call in gate.calls] == [0, 0, 1]


def test_a_hook_that_never_comes_back_is_given_up_on_and_its_late_answer_counts_for_nothing() -> None:
    late: list[Callable[[], None]] = []
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, Scripted(), timeout=5.0), starts=late.append)
    assert bench.ask() is Verdict.PENDING
    bench.clock.at += 5.0 + MARGIN
    bench.ask()
    assert bench.ask() is Verdict.FAIL
    assert "did not come back in time" in bench.warnings[0]
    late[0]()
    assert bench.ask() is Verdict.FAIL


@dataclass(frozen=True)
class Raises:
    """A plugin that is not well."""

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        raise KeyError("x")

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        return True  # type: ignore[return-value]


def test_what_a_plugin_raises_or_wrongly_returns_is_its_error() -> None:
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, Raises()))
    bench.ask()
    assert bench.ask() is Verdict.FAIL
    assert "KeyError: 'x'" in bench.warnings[0]
    bench = Bench(gate_at(Point.AFTER_STEP, Raises()))
    bench.ask(STEP)
    assert bench.ask(STEP) is Verdict.ERROR
    assert "returned a bool" in bench.warnings[0]


@dataclass(frozen=True)
class Hollow:
    """A plugin whose answers are of the right kind, and whose parts are not."""

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        return HookOutcome("passed", None)  # type: ignore[arg-type]

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        return Judgement("pass", None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Exits:
    """A plugin that would end the process."""

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:
        raise SystemExit(3)

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        raise SystemExit(3)


def test_a_hollow_answer_and_an_exit_are_errors_of_the_plugin_and_reach_no_other_thread() -> None:
    for plugin, said in ((Hollow(), "whose parts are of other kinds"), (Exits(), "SystemExit: 3")):
        bench = Bench(hook_at(Point.BEFORE_ROLLOUT, plugin))
        bench.ask()
        assert bench.ask() is Verdict.FAIL
        assert said in bench.warnings[0]
        bench = Bench(gate_at(Point.AFTER_STEP, plugin))
        bench.ask(STEP)
        assert bench.ask(STEP) is Verdict.ERROR
        assert said in bench.warnings[0]


def test_a_failure_that_counts_is_told_with_what_the_hook_said() -> None:
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, Scripted([failed("one\ntwo")])))
    bench.ask()
    (told,) = [event for event in bench.events if isinstance(event, Failed)]
    assert (told.instance, told.reason, told.evidence) == (
        "hook hook",
        "at before-rollout: two",
        "one\ntwo",
    )


def test_intent_and_outcome_of_a_hook_are_in_the_journal_before_and_after_it_runs() -> None:
    waiting: list[Callable[[], None]] = []
    bench = Bench(hook_at(Point.BEFORE_ROLLOUT, Scripted([failed("password=hunter2 no")])), starts=waiting.append)
    bench.ask()
    assert [(one.kind, one.subject) for one in bench.journal.kept] == [("intent", "hook:hook")]
    waiting[0]()
    bench.ask()
    outcome = bench.journal.kept[1]
    assert (outcome.kind, outcome.data["ended"], outcome.data["verdict"]) == ("outcome", "failed", "fail")


def test_what_has_passed_is_not_asked_again_by_a_resumed_process_and_what_was_cut_short_is() -> None:
    first, second = Scripted(), Scripted()
    before = Bench(two(first, second))
    before.ask()
    waiting: list[Callable[[], None]] = []
    before.runner.starts = waiting.append
    before.ask()  # the second begins, and the process dies
    again = Bench(two(first, second), journal=before.journal)
    for _ in range(3):
        again.ask()
    assert again.ask() is Verdict.PASS
    assert (len(first.calls), len(second.calls)) == (1, 1)


def test_a_standing_gate_that_passed_is_asked_again_by_a_resumed_process() -> None:
    gate = Scripted()
    before = Bench(gate_at(Point.THROUGHOUT, gate))
    before.ask(ALWAYS)
    before.ask(ALWAYS)
    Bench(gate_at(Point.THROUGHOUT, gate), journal=before.journal).ask(ALWAYS)
    assert len(gate.calls) == 2


def test_a_run_once_hook_runs_for_the_first_of_several_occasions_alone() -> None:
    hook = Scripted()
    bench = Bench(hook_at(Point.AFTER_STEP, hook, once=True))
    other = Occasion(Point.AFTER_STEP, "50%")
    for _ in range(3):
        bench.ask(STEP)
        bench.ask(other)
    assert bench.ask(STEP) is bench.ask(other) is Verdict.PASS
    assert len(hook.calls) == 1


def test_a_run_once_hook_is_tried_again_when_it_said_that_it_failed_but_not_after_an_error() -> None:
    for outcome, expected in ((failed("no"), 2), (error("killed"), 1)):
        hook = Scripted([outcome, passed()])
        bench = Bench(hook_at(Point.BEFORE_ROLLOUT, hook, once=True, retries=3))
        for _ in range(4):
            bench.ask()
            bench.clock.at += 30
        assert len(hook.calls) == expected


def test_a_run_once_hook_that_was_cut_short_is_unsettled_until_it_is_found_out_what_it_did() -> None:
    line = hook_at(Point.BEFORE_ROLLOUT, Scripted(), name="migrate", once=True)
    before = Bench(line, starts=lambda _work: None)
    before.ask()
    resumed = Bench(line, journal=before.journal)
    ((hook, key),) = resumed.runner.unsettled()
    assert (hook.name, key.occasion) == ("migrate", START)
    assert resumed.runner.check(hook, key, Standing(NOW)) is None
    resumed.runner.settle(hook, key, done=True)
    assert resumed.ask() is Verdict.PASS
    assert line.hooks[0].hook.calls == []  # type: ignore[attr-defined]
    assert Bench(line, journal=before.journal).runner.unsettled() == []


def test_one_that_had_not_done_its_work_runs_again() -> None:
    scripted = Scripted()
    line = hook_at(Point.BEFORE_ROLLOUT, scripted, once=True)
    before = Bench(line, starts=lambda _work: None)
    before.ask()
    resumed = Bench(line, journal=before.journal)
    ((hook, key),) = resumed.runner.unsettled()
    resumed.runner.settle(hook, key, done=False)
    resumed.ask()
    assert resumed.ask() is Verdict.PASS
    assert len(scripted.calls) == 1


@pytest.mark.parametrize(("command", "done"), [("true", True), ("false", False), ("/nowhere/x", None)])
def test_the_check_of_a_hook_says_whether_it_did_its_work(command: str, done: bool | None) -> None:
    line = hook_at(Point.BEFORE_ROLLOUT, Scripted(), once=True, check=(command,))
    before = Bench(line, starts=lambda _work: None)
    before.ask()
    runner = Bench(line, journal=before.journal).runner
    ((hook, key),) = runner.unsettled()
    assert runner.check(hook, key, Standing(NOW)) is done


def test_an_approval_counts_once_for_the_gate_that_waited_for_it_and_not_if_it_came_before() -> None:
    early = Approval("ann", 1.0)
    bench = Bench(gate_at(Point.AFTER_STEP, ApprovalGate(), interval=0.0), approval=early)
    bench.ask(STEP)
    assert bench.ask(STEP) is Verdict.PENDING
    bench.approval = Approval("bob", 2.0)
    bench.ask(STEP)
    assert bench.ask(STEP) is Verdict.PASS
    other = Occasion(Point.AFTER_STEP, "50%")
    bench.ask(other)
    assert bench.ask(other) is Verdict.PENDING


def test_an_approval_given_with_resume_counts_for_the_first_gate_that_needs_one() -> None:
    known = Approval("ann", 1.0, beforehand=True)
    bench = Bench(gate_at(Point.AFTER_STEP, ApprovalGate(), interval=0.0), approval=known)
    bench.ask(STEP)
    assert bench.ask(STEP) is Verdict.PASS
    other = Occasion(Point.AFTER_STEP, "50%")
    bench.ask(other)
    assert bench.ask(other) is Verdict.PENDING
