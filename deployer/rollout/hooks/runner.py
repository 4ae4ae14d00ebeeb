"""Runs hooks and asks gates beside the loop, each in a thread of its own; journals what was begun and how it ended.

Everything here is called from the engine's thread. Threads only put what came of their call into a queue.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.config.hooks import HookFailure
from deployer.engine.events import Failed, Noted, Watch
from deployer.engine.ports import Clock, Journal
from deployer.hooks.command import Command
from deployer.hooks.contract import Ended, HookOutcome, Judgement, error, judged
from deployer.hooks.doors import Doors
from deployer.model.observation import Observation
from deployer.model.occasions import STANDING_POINTS, Occasion, Point, Ruling, Verdict
from deployer.model.text import clean, in_words
from deployer.rollout.hooks.calls import Approval, Caller, Standing
from deployer.rollout.hooks.line import FittedGate, FittedHook, Line
from deployer.rollout.hooks.rules import (
    NOT_DONE,
    Key,
    Told,
    combined,
    pause_before,
    ruling_of_gate,
    ruling_of_hook,
    told_by,
    tries_again,
)

MARGIN = 10.0
"""Seconds past its timeout after which a hook that does not come back is no longer waited for."""
_MOST = 8
_CHECK = 30.0
"""Seconds for the check of a hook: less than a lease lasts, since nothing keeps it meanwhile."""
_SAMPLES = 1000
"""Looks of a gate that are remembered."""

Starts = Callable[[Callable[[], None]], None]


def in_thread(work: Callable[[], None]) -> None:
    """Starts work in a daemon: what hangs must not keep the process from ending."""
    threading.Thread(target=work, name="hook", daemon=True).start()


@dataclass
class _Task:
    """One hook or gate at one occasion: what is under way, what it said, what that means. Times are monotonic."""

    asked_at: float
    ruling: Ruling | None = None
    running: object | None = None
    """A token of the call that is under way; an answer with another one comes too late."""
    gives_up_at: float = 0.0
    attempt: int = 0
    not_before: float = 0.0
    earlier: tuple[Judgement, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether it has come to an end."""
        return self.ruling is not None and self.ruling.verdict is not Verdict.PENDING


@dataclass
class HookRunner:
    """Implements `deployer.engine.ports.Hooks` for one rollout."""

    line: Line
    caller: Caller
    journal: Journal
    clock: Clock
    watch: Watch
    doors: Doors
    starts: Starts = in_thread
    approval: Callable[[], Approval | None] = lambda: None
    """The latest yes of somebody, for gates that need one."""
    told: Told = field(init=False)
    _tasks: dict[Key, _Task] = field(default_factory=dict)
    _answers: queue.SimpleQueue[tuple[Key, object, HookOutcome | Judgement]] = field(
        default_factory=queue.SimpleQueue
    )

    def __post_init__(self) -> None:
        self.told = told_by(self.journal.records())
        self._once_done = set(self.told.once_done)
        self._approvals_used: set[Approval] = set()

    def points(self, *, rolling_back: bool) -> frozenset[Point]:
        """See `Hooks`. On the way back no gate is asked: nothing that has to be waited for may bar it."""
        return self.line.points_of_hooks if rolling_back else self.line.points

    def ask(self, occasions: Sequence[Occasion], seen: Observation) -> None:
        """See `Hooks`."""
        for occasion in occasions:
            self.ask_at(occasion, Standing(seen))

    def ask_at(self, occasion: Occasion, standing: Standing) -> None:
        """Starts what is due at one occasion: its hooks one after the other, then its gates side by side."""
        self._collect()
        back = standing.seen.rolling_back
        for hook in self.line.hooks_at(occasion.point):
            key = Key(hook.label, occasion, back)
            task = self._task(key)
            if not task.settled:
                self._start_hook(hook, key, task, standing)
            if task.ruling is None or task.ruling.verdict is not Verdict.PASS:
                return
        for gate in self.line.gates_at(occasion.point) if not back else ():
            key = Key(gate.label, occasion)
            self._start_gate(gate, key, self._task(key), standing)

    def rulings(self, *, rolling_back: bool) -> Mapping[Occasion, Ruling]:
        """See `Hooks`."""
        self._collect()
        occasions = dict.fromkeys(key.occasion for key in self._tasks if key.back is rolling_back)
        return {occasion: self.ruling_at(occasion, back=rolling_back) for occasion in occasions}

    def ruling_at(self, occasion: Occasion, *, back: bool) -> Ruling:
        """What hooks and gates of one occasion come to so far; PASS where there are none to ask."""
        labels = self.line.labels_at(occasion.point, gates=not back)
        tasks = [self._tasks.get(Key(label, occasion, back)) for label in labels]
        return combined(task.ruling if task is not None else None for task in tasks)

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        self._collect()
        return any(task.running is not None for task in self._tasks.values())

    # -- after a crash -------------------------------------------------------------------------------

    def unsettled(self) -> Sequence[tuple[FittedHook, Key]]:
        """The run-once hooks that a process began and did not live to see the end of."""
        known = {hook.label: hook for hook in self.line.hooks if hook.rules.once}
        return [(known[key.label], key) for key in self.told.began if key.label in known]

    def check(self, hook: FittedHook, key: Key, standing: Standing) -> bool | None:
        """What the hook's own `check` says: whether it did its work. None when there is none, or it cannot say."""
        if not hook.rules.check:
            return None
        call = self.caller.call(key, hook.name, standing, deadline=_CHECK)
        match Command(hook.rules.check).judge(call, self.doors).verdict:
            case Verdict.PASS:
                return True
            case Verdict.FAIL:
                return False
            case _:
                return None

    def settle(self, hook: FittedHook, key: Key, *, done: bool) -> None:
        """Takes down what was found out about a hook whose end nobody saw."""
        ended, verdict = (Ended.PASSED.value, Verdict.PASS) if done else (NOT_DONE, Verdict.PENDING)
        data = {**self._facts(key), "ended": ended, "verdict": verdict.value, "detail": "found out after a crash"}
        self.journal.append("outcome", hook.label, data)
        self.watch(Noted(f"hook {hook.name} at {key.occasion}: {'it did' if done else 'it had not done'} its work"))
        self.told = told_by(self.journal.records())
        self._once_done = set(self.told.once_done)

    # -- starting ------------------------------------------------------------------------------------

    def _task(self, key: Key) -> _Task:
        if key not in self._tasks:
            task = _Task(self.clock.now())
            standing = key.occasion.point in STANDING_POINTS and key.label.startswith("gate:")
            if key in self.told.passed and not standing:
                task.ruling = Ruling(Verdict.PASS, "passed before this process began")
            self._tasks[key] = task
        return self._tasks[key]

    def _start_hook(self, hook: FittedHook, key: Key, task: _Task, standing: Standing) -> None:
        if hook.rules.once and self._once_settled(hook, key, task):
            return
        if not self._may_start(task):
            return
        task.attempt += 1
        self.journal.append("intent", hook.label, {**self._facts(key), "attempt": task.attempt})
        call = self.caller.call(key, hook.name, standing, deadline=hook.rules.timeout)
        task.ruling = Ruling(Verdict.PENDING, f"{hook.name} runs")
        self._launch(key, task, hook.rules.timeout, lambda: hook.hook.run(call, self.doors))

    def _once_settled(self, hook: FittedHook, key: Key, task: _Task) -> bool:
        """Whether a run-once hook ran at another occasion already, or does so now."""
        if hook.label in self._once_done and task.attempt == 0:
            task.ruling = Ruling(Verdict.PASS, f"{hook.name} has run once already")
            return True
        others = [other for mine, other in self._tasks.items() if mine.label == key.label and mine != key]
        return any(other.running is not None or (other.attempt and not other.settled) for other in others)

    def _start_gate(self, gate: FittedGate, key: Key, task: _Task, standing: Standing) -> None:
        if task.settled and key.occasion.point not in STANDING_POINTS:
            return
        if not self._may_start(task):
            return
        approval = self._approval_for(gate, task)
        waited = self.clock.now() - task.asked_at
        call = self.caller.call(
            key,
            gate.name,
            standing,
            deadline=gate.rules.timeout,
            earlier=task.earlier,
            waited=waited,
            approved_by=approval.by if approval is not None else "",
        )
        if task.ruling is None:
            task.ruling = Ruling(Verdict.PENDING, f"{gate.name} is asked")
        self._launch(key, task, gate.rules.timeout, lambda: gate.gate.judge(call, self.doors))

    def _approval_for(self, gate: FittedGate, task: _Task) -> Approval | None:
        """A yes that this gate may take, once: not one that was said before the gate was there to hear it."""
        approval = self.approval()
        if approval is None or approval in self._approvals_used or not getattr(gate.gate, "takes_approval", False):
            return None
        self._approvals_used.add(approval)
        return approval if task.ruling is not None or approval.beforehand else None

    def _may_start(self, task: _Task) -> bool:
        running = sum(1 for other in self._tasks.values() if other.running is not None)
        return task.running is None and self.clock.now() >= task.not_before and running < _MOST

    def _launch(self, key: Key, task: _Task, timeout: float, work: Callable[[], HookOutcome | Judgement]) -> None:
        token = object()
        task.running = token
        task.gives_up_at = self.clock.now() + timeout + MARGIN

        def run() -> None:
            self._answers.put((key, token, _guarded(key, work)))

        self.starts(run)

    # -- ending --------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Takes in what came back, and gives up on what does not come back."""
        while not self._answers.empty():
            key, token, answer = self._answers.get()
            task = self._tasks[key]
            if task.running is token:
                self._came_back(key, task, answer)
        now = self.clock.now()
        for key, task in list(self._tasks.items()):
            if task.running is not None and now >= task.gives_up_at:
                why = "did not come back in time, and may still go on"
                is_hook = key.label.startswith("hook:")
                self._came_back(key, task, error(why) if is_hook else judged(Verdict.ERROR, why))

    def _came_back(self, key: Key, task: _Task, answer: HookOutcome | Judgement) -> None:
        task.running = None
        if isinstance(answer, HookOutcome):
            self._hook_ended(self._hook(key), key, task, answer)
        else:
            self._gate_judged(self._gate(key), key, task, answer)

    def _hook_ended(self, hook: FittedHook, key: Key, task: _Task, outcome: HookOutcome) -> None:
        again = tries_again(outcome, hook.rules, task.attempt)
        ruling = ruling_of_hook(hook.name, outcome, hook.rules)
        verdict = Verdict.PENDING if again else ruling.verdict
        self.journal.append(
            "outcome",
            hook.label,
            {
                **self._facts(key),
                "attempt": task.attempt,
                "ended": outcome.ended.value,
                "verdict": verdict.value,
                "detail": clean(outcome.line),
            },
        )
        self._tell_hook(hook, key, outcome, final=not again)
        if again:
            task.not_before = self.clock.now() + pause_before(task.attempt)
            task.ruling = Ruling(Verdict.PENDING, f"{hook.name} is tried again: {outcome.line}")
            return
        task.ruling = ruling
        self._once_done.add(hook.label)

    def _tell_hook(self, hook: FittedHook, key: Key, outcome: HookOutcome, *, final: bool) -> None:
        """A failure that counts is told with what the hook said, any other in one line."""
        bad, policy = outcome.ended is not Ended.PASSED, hook.rules.on_failure
        if bad and policy is HookFailure.IGNORE:
            return
        if bad and policy is HookFailure.FAIL and final and not key.back:
            self.watch(Failed(f"hook {hook.name}", f"at {key.occasion}: {outcome.line}", outcome.output))
            return
        said = f": {outcome.line}" if bad and outcome.line else ""
        self.watch(Noted(f"hook {hook.name} at {key.occasion} {_PAST[outcome.ended]}{said}", warning=bad))

    def _gate_judged(self, gate: FittedGate, key: Key, task: _Task, judgement: Judgement) -> None:
        before = task.ruling
        waited = self.clock.now() - task.asked_at
        task.ruling = ruling_of_gate(gate.name, judgement, gate.rules, waited)
        concluded = judgement.verdict is not Verdict.PENDING
        # A standing gate that has concluded begins anew: what it saw an hour ago is no part of the next answer.
        task.earlier = () if concluded else (*task.earlier, judgement)[-_SAMPLES:]
        if judgement.verdict is Verdict.PASS:
            task.asked_at = self.clock.now()
        task.not_before = self.clock.now() + gate.rules.interval
        if before is not None and (before.verdict, before.reason) == (task.ruling.verdict, task.ruling.reason):
            return
        if before is None or before.verdict is not task.ruling.verdict:
            data = {"verdict": task.ruling.verdict.value, "judged": judgement.verdict.value}
            self.journal.append("outcome", gate.label, {**self._facts(key), **data, "detail": judgement.detail})
        bad = judgement.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)
        text = f"gate {gate.name} at {key.occasion}: {judgement.verdict.value}: {judgement.detail}"
        self.watch(Noted(text, warning=bad))

    def _facts(self, key: Key) -> dict[str, object]:
        run_id = key.run_id(self.caller.plan.rollout)
        occasion = key.occasion
        return {"point": occasion.point.value, "subject": occasion.subject, "back": key.back, "run_id": run_id}

    def _hook(self, key: Key) -> FittedHook:
        return next(one for one in self.line.hooks if one.label == key.label)

    def _gate(self, key: Key) -> FittedGate:
        return next(one for one in self.line.gates if one.label == key.label)


_PAST = {Ended.PASSED: "passed", Ended.FAILED: "failed", Ended.ERROR: "could not do its work"}


def _guarded(key: Key, work: Callable[[], HookOutcome | Judgement]) -> HookOutcome | Judgement:
    """Whatever a plugin raises is its error, and told as such; so is an answer of the wrong kind."""
    is_hook = key.label.startswith("hook:")
    try:
        answer = work()
    except (Exception, SystemExit) as problem:  # noqa: BLE001 (a plugin may raise anything)
        said = in_words(problem)
        return error(said) if is_hook else judged(Verdict.ERROR, said)
    if _is_fit(answer, is_hook=is_hook):
        return answer
    said = f"returned a {type(answer).__name__}"
    said += " whose parts are of other kinds" if isinstance(answer, HookOutcome if is_hook else Judgement) else ""
    return error(said) if is_hook else judged(Verdict.ERROR, said)


def _is_fit(answer: object, *, is_hook: bool) -> bool:
    """Whether a plugin's answer is of the right kind, in its parts too: they are read in the engine's thread."""
    match answer:
        case HookOutcome(ended=Ended(), output=str()):
            return is_hook
        case Judgement(verdict=Verdict(), detail=str()):
            return not is_hook
        case _:
            return False
