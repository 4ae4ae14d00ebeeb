"""`alarms`: CloudWatch alarms have to be as they should before a rollout goes on. Nothing is read into silence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

from deployer.hooks.contract import HookCall, Judgement, judged
from deployer.hooks.doors import Doors
from deployer.model.occasions import Verdict
from deployer.model.outside import AlarmState
from deployer.model.plugin_fields import NotEmpty


class Means(Enum):
    """What an alarm's state means for a rollout."""

    PASS = "pass"
    FAIL = "fail"
    WAIT = "wait"
    """Asked again, until the gate's deadline has passed."""


_VERDICTS = {Means.PASS: Verdict.PASS, Means.FAIL: Verdict.FAIL, Means.WAIT: Verdict.PENDING}
_RANK = (Verdict.FAIL, Verdict.PENDING, Verdict.PASS)


@dataclass(frozen=True)
class Alarms:
    """Passes when every alarm of `names` has a state that means `pass`.

    What each state means is `ok`, `alarm` and `insufficient`: pass, fail or wait. An alarm without enough data
    is not an alarm that is OK: it is waited for, and when it stays so until the deadline, the gate is
    inconclusive. An alarm that does not exist is an error.
    """

    names: Annotated[tuple[str, ...], NotEmpty()]
    ok: Means = Means.PASS
    alarm: Means = Means.FAIL
    insufficient: Means = Means.WAIT

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("names is empty; expected the names of one or more CloudWatch alarms")

    def judge(self, call: HookCall, doors: Doors) -> Judgement:  # noqa: ARG002 - alarms know nothing of rollouts
        """See `Gate`."""
        found = doors.open_monitoring().alarms(self.names)
        missing = [name for name in self.names if name not in found]
        if missing:
            return judged(Verdict.ERROR, f"there is no alarm {', '.join(missing)}")
        means = {AlarmState.OK: self.ok, AlarmState.ALARM: self.alarm, AlarmState.INSUFFICIENT: self.insufficient}
        by_verdict: dict[Verdict, list[str]] = {}
        for name in self.names:
            state, reason = found[name]
            said = f"{name} is {state.value}" + (f" ({reason})" if reason and state is not AlarmState.OK else "")
            by_verdict.setdefault(_VERDICTS[means[state]], []).append(said)
        worst = next(verdict for verdict in _RANK if verdict in by_verdict)
        if worst is Verdict.PASS:
            states = Counter(state.value for state, _ in found.values())
            return judged(worst, ", ".join(f"{number} {state}" for state, number in sorted(states.items())))
        return judged(worst, "; ".join(by_verdict[worst]))
