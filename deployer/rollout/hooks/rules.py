"""What the answers of hooks and gates mean for a rollout: policies, combination, and what a journal tells. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployer.config.hooks import GatePolicy, GateSettings, HookFailure, HookSettings
from deployer.engine.ports import Record
from deployer.hooks.contract import Ended, HookOutcome, Judgement
from deployer.model.occasions import Occasion, Point, Ruling, Verdict

_BY_POLICY = {
    GatePolicy.FAIL: Verdict.FAIL,
    GatePolicy.STOP: Verdict.ERROR,
    GatePolicy.PAUSE: Verdict.INCONCLUSIVE,
    GatePolicy.PASS: Verdict.PASS,
}
_RANK = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PENDING, Verdict.PASS)
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True)
class Key:
    """One hook or gate at one occasion, on the way forward or on the way back."""

    label: str
    occasion: Occasion
    back: bool = False

    def run_id(self, rollout: str) -> str:
        """The same for the same thing asked for again: what others may tell repetitions by."""
        parts = (rollout, self.label, self.occasion.point.value, self.occasion.subject, str(self.back))
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def ruling_of_hook(name: str, outcome: HookOutcome, rules: HookSettings) -> Ruling:
    """What the end of a hook means once it is not tried again; one that errs did not do its work, so it failed."""
    reason = f"{name}: {outcome.line}" if outcome.line else f"{name} {outcome.ended.value}"
    if outcome.ended is Ended.PASSED or rules.on_failure is not HookFailure.FAIL:
        return Ruling(Verdict.PASS, reason)
    return Ruling(Verdict.FAIL, reason)


def tries_again(outcome: HookOutcome, rules: HookSettings, attempt: int) -> bool:
    """Whether a hook that has been tried `attempt` times is tried once more.

    One that runs once is tried again only when it said itself that it failed: after an error nobody knows how
    far it came.
    """
    if outcome.ended is Ended.PASSED or attempt > rules.retries:
        return False
    return not rules.once or outcome.ended is Ended.FAILED


def pause_before(attempt: int) -> float:
    """Seconds until the next try: 1, 2, 4, …, at most 30."""
    return float(min(2.0 ** (attempt - 1), _LONGEST_PAUSE))


def ruling_of_gate(name: str, judgement: Judgement, rules: GateSettings, waited: float) -> Ruling:
    """What a gate's word means: its policies applied, and PENDING for too long turned into doubt."""
    reason = f"{name}: {judgement.detail}"
    match judgement.verdict:
        case Verdict.PASS:
            return Ruling(Verdict.PASS, reason)
        case Verdict.FAIL:
            return Ruling(_BY_POLICY[rules.on_failure], reason)
        case Verdict.ERROR:
            return Ruling(_BY_POLICY[rules.on_error], reason)
        case Verdict.PENDING if waited < rules.deadline:
            return Ruling(Verdict.PENDING, reason)
        case Verdict.PENDING:
            return Ruling(_BY_POLICY[rules.on_inconclusive], f"{reason} (for {rules.deadline:g} s)")
        case Verdict.INCONCLUSIVE:
            return Ruling(_BY_POLICY[rules.on_inconclusive], reason)


def combined(rulings: Iterable[Ruling | None]) -> Ruling:
    """What several hooks and gates of one occasion come to: the worst, and that one's reason."""
    found = [ruling if ruling is not None else Ruling(Verdict.PENDING) for ruling in rulings]
    worst = min(found, key=lambda ruling: _RANK.index(ruling.verdict), default=Ruling(Verdict.PASS))
    if worst.verdict is not Verdict.PENDING or worst.reason:
        return worst
    return next((one for one in found if one.verdict is Verdict.PENDING and one.reason), worst)


@dataclass(frozen=True)
class Told:
    """What a journal tells of hooks and gates.

    `passed` are those that need not be asked again. `began` are hooks that a process began and did not live to
    see the end of; `once_done` are the labels of hooks that have come to an end, however it was.
    """

    passed: frozenset[Key] = frozenset()
    began: frozenset[Key] = frozenset()
    once_done: frozenset[str] = frozenset()


NOT_DONE = "not done"
"""The outcome of a hook of which it was found out, after a crash, that it had not done its work."""


def told_by(records: Sequence[Record]) -> Told:
    """Reads what is told of hooks and gates in a journal."""
    passed: set[Key] = set()
    began: set[Key] = set()
    done: set[str] = set()
    for record in records:
        if not record.subject.startswith(("hook:", "gate:")) or "point" not in record.data:
            continue
        key = key_of(record)
        if record.kind == "intent":
            began.add(key)
            continue
        began.discard(key)
        if record.data.get("ended") == NOT_DONE:
            done.discard(key.label)
            continue
        done.add(key.label)
        if record.data.get("verdict") == Verdict.PASS.value:
            passed.add(key)
    return Told(frozenset(passed), frozenset(began), frozenset(done))


def key_of(record: Record) -> Key:
    """What a record of a hook or gate is about."""
    occasion = Occasion(Point(str(record.data["point"])), str(record.data.get("subject", "")))
    return Key(record.subject, occasion, bool(record.data.get("back")))
