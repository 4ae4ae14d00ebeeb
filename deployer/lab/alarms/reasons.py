"""Why an alarm is in its state, in CloudWatch's words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from deployer.lab.alarms.judging import Judgement
from deployer.lab.alarms.records import Missing, State, Watch
from deployer.lab.alarms.series import Period

_TREATED = {Missing.BREACHING: "Breaching", Missing.NOT_BREACHING: "NonBreaching"}


@dataclass(frozen=True)
class Seen:
    """What was looked at: the periods of the evaluation range, and the value of each."""

    periods: tuple[Period, ...]
    values: tuple[float | None, ...]

    def real(self, last: int) -> list[tuple[datetime, float]]:
        """The last so many datapoints that there are, with the beginning of their period."""
        found = [
            (datetime.fromtimestamp(period.start, UTC), value)
            for period, value in zip(self.periods, self.values, strict=True)
            if value is not None
        ]
        return found[-last:] if last else []


def reason(judged: Judgement, watch: Watch, seen: Seen, before: State) -> str:
    """The StateReason of a new state."""
    bar, state = watch.bar, judged.state
    if state is State.INSUFFICIENT_DATA:
        return f"Insufficient Data: {_counted(judged.filled, 'datapoint')} {_was(judged.filled)} unknown."
    treated = _TREATED.get(bar.missing)
    gaps = f"{_counted(judged.filled, 'missing datapoint')} {_was(judged.filled)} treated as [{treated}]"
    if not judged.evaluated:
        return f"Threshold Crossed: no datapoints were received for {_counted(bar.periods, 'period')} and {gaps}."
    shown = ", ".join(f"{value} ({at:%d/%m/%y %H:%M:%S})" for at, value in seen.real(len(judged.evaluated)))
    count = judged.breaching if state is State.ALARM else len(judged.evaluated) - judged.breaching
    negated = "" if state is State.ALARM else "not "
    needed = bar.to_alarm if state is State.ALARM else bar.periods - bar.to_alarm + 1
    filled = f" and {gaps}" if judged.filled and treated else ""
    return (
        f"Threshold Crossed: {count} out of the last {_counted(len(judged.evaluated), 'datapoint')} [{shown}] "
        f"{_was(count)} {negated}{bar.comparison.words} the threshold ({bar.threshold}){filled} "
        f"(minimum {_counted(needed, 'datapoint')} for {before.value} -> {state.value} transition)."
    )


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def reason_data(judged: Judgement, watch: Watch, seen: Seen, now: datetime) -> str:
    """The StateReasonData of a new state: a JSON document."""
    real = seen.real(len(judged.evaluated))
    document = {
        "version": "1.0",
        "queryDate": _moment(now),
        "startDate": _moment(real[0][0]) if real else None,
        "statistic": watch.judged.statistic or None,
        "period": watch.period,
        "recentDatapoints": list(judged.evaluated),
        "threshold": watch.bar.threshold,
        "evaluatedDatapoints": [{"timestamp": _moment(at), "value": value} for at, value in reversed(real)],
    }
    return json.dumps({key: value for key, value in document.items() if value is not None})


def changed(before: State, after: State, why: str, data: str) -> str:
    """The HistoryData of a change of state."""
    return json.dumps(
        {
            "version": "1.0",
            "oldState": {"stateValue": before.value},
            "newState": {"stateValue": after.value, "stateReason": why, "stateReasonData": json.loads(data)},
        }
    )


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}+0000"


def latest(values: Sequence[float | None]) -> float | None:
    """The latest value that there is."""
    return next((value for value in reversed(values) if value is not None), None)
