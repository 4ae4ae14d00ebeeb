"""What CloudWatch knows of alarms. Changed under the service's lock only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

MOST_HISTORY = 500


class State(Enum):
    """The states of an alarm (botocore: StateValue)."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(Enum):
    """What a period without data means (TreatMissingData)."""

    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"
    MISSING = "missing"


class Comparison(Enum):
    """How a datapoint is held against the threshold (ComparisonOperator)."""

    AT_LEAST = "GreaterThanOrEqualToThreshold"
    ABOVE = "GreaterThanThreshold"
    BELOW = "LessThanThreshold"
    AT_MOST = "LessThanOrEqualToThreshold"

    @property
    def words(self) -> str:
        """As a state's reason says it."""
        return {
            Comparison.AT_LEAST: "greater than or equal to",
            Comparison.ABOVE: "greater than",
            Comparison.BELOW: "less than",
            Comparison.AT_MOST: "less than or equal to",
        }[self]

    def breached(self, value: float, threshold: float) -> bool:
        """Whether a value breaches the threshold."""
        match self:
            case Comparison.AT_LEAST:
                return value >= threshold
            case Comparison.ABOVE:
                return value > threshold
            case Comparison.BELOW:
                return value < threshold
            case Comparison.AT_MOST:
                return value <= threshold


@dataclass(frozen=True)
class Metric:
    """What names a metric: dimensions are part of its name."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()

    @property
    def wire(self) -> dict[str, Any]:
        """As answers show it."""
        pairs = [{"Name": name, "Value": value} for name, value in sorted(self.dimensions)]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": pairs}


@dataclass(frozen=True)
class Query:
    """One line of numbers: a statistic of a metric, or an expression over other lines. `period` is in seconds."""

    id: str
    period: int
    metric: Metric | None = None
    statistic: str = ""
    unit: str | None = None
    expression: str = ""
    label: str = ""
    returned: bool = True


@dataclass(frozen=True)
class Bar:
    """When datapoints are an alarm: `to_alarm` of the last `periods` that breach the threshold."""

    comparison: Comparison
    threshold: float
    periods: int
    to_alarm: int
    missing: Missing = Missing.MISSING


@dataclass(frozen=True)
class Watch:
    """What a metric alarm looks at: one of the queries is held against the bar."""

    queries: tuple[Query, ...]
    bar: Bar

    @property
    def judged(self) -> Query:
        """The query whose numbers count."""
        return next(query for query in self.queries if query.returned)

    @property
    def period(self) -> int:
        """Seconds of one datapoint, unscaled."""
        return self.judged.period


@dataclass(frozen=True)
class HistoryItem:
    """One line of an alarm's history. `kind` is a HistoryItemType."""

    at: datetime
    kind: str
    summary: str
    data: str = "{}"


@dataclass
class Alarm:
    """A metric alarm, or with a rule in place of the watch a composite one."""

    name: str
    arn: str
    settings: Mapping[str, Any]
    """As PutMetricAlarm gave them, for answers."""
    configured: datetime
    watch: Watch | None = None
    rule: str = ""
    state: State = State.INSUFFICIENT_DATA
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = "{}"
    updated: datetime = field(init=False)
    transitioned: datetime = field(init=False)
    history: list[HistoryItem] = field(default_factory=list)
    next_look: float = 0.0
    """Not evaluated before this time (seconds since the epoch)."""
    next_repeat: float = 0.0
    """When its scaling actions are carried out again, while it stays in its state."""
    value: float | None = None
    """The latest datapoint that was judged."""

    def __post_init__(self) -> None:
        self.updated = self.transitioned = self.configured

    def actions(self, state: State) -> list[str]:
        """The ARNs of what is to be done on entering a state."""
        names = {
            State.OK: "OKActions",
            State.ALARM: "AlarmActions",
            State.INSUFFICIENT_DATA: "InsufficientDataActions",
        }
        return [str(arn) for arn in self.settings.get(names[state]) or ()]

    @property
    def armed(self) -> bool:
        """Whether its actions are carried out."""
        return bool(self.settings.get("ActionsEnabled", True))

    def note(self, item: HistoryItem) -> None:
        """Adds a line to the history, the latest first."""
        self.history.insert(0, item)
        del self.history[MOST_HISTORY:]


@dataclass(frozen=True)
class Transition:
    """A state that an alarm has entered, or is still in: what its actions are told."""

    alarm: Alarm
    before: State
    state: State
    reason: str
    at: datetime
    value: float | None
    threshold: float | None
    repeated: bool = False
    """It was in this state already; only scaling actions are carried out again."""
