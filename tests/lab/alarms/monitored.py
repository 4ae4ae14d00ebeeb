"""What tests of the lab's CloudWatch use: a clock to set, a client, and a metric to play with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException

from deployer.lab.alarms import Alarms
from deployer.lab.alarms.records import Transition
from tests.lab.ec2.cloud import refusal

__all__ = ["Clock", "Recorder", "Watched", "moto_put_back", "refusal"]

BEGIN = 1_800_000_000.0
"""A full minute."""
TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"


@contextmanager
def moto_put_back() -> Iterator[None]:
    """Gives moto its own CloudWatch back in the end: other tests of this process use it."""
    own = dict(vars(CloudWatchResponse))
    try:
        yield
    finally:
        for name in set(vars(CloudWatchResponse)) - set(own):
            delattr(CloudWatchResponse, name)
        for name, method in own.items():
            if vars(CloudWatchResponse)[name] is not method:
                setattr(CloudWatchResponse, name, method)


@dataclass
class Clock:
    """Seconds since the epoch, as the test says."""

    time: float = BEGIN

    def __call__(self) -> float:
        return self.time


@dataclass
class Recorder:
    """An action that is written down."""

    seen: list[tuple[str, Transition]] = field(default_factory=list)
    refuse: str = ""

    def __call__(self, arn: str, transition: Transition) -> None:
        if self.refuse:
            raise ServiceException("NotFound", self.refuse)
        self.seen.append((arn, transition))


@dataclass
class Watched:
    """A region's CloudWatch, whose time stands still until the test moves it."""

    client: Any
    alarms: Alarms
    clock: Clock
    done: Recorder

    def put(self, *values: float, name: str = "Errors", **more: Any) -> None:
        """Puts values at this moment."""
        data = {"MetricName": name, "Timestamp": self.now, "Values": list(values), **more}
        self.client.put_metric_data(Namespace="Shop", MetricData=[data])

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.time, UTC)

    def alarm(self, name: str = "errors", **settings: Any) -> None:
        """An alarm on more than 5 errors in a minute, unless told otherwise."""
        asked = {
            "AlarmName": name,
            "Namespace": "Shop",
            "MetricName": "Errors",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
            **settings,
        }
        self.client.put_metric_alarm(**{key: value for key, value in asked.items() if value is not None})

    def described(self, name: str = "errors") -> dict[str, Any]:
        """The alarm as DescribeAlarms shows it."""
        kinds = ["MetricAlarm", "CompositeAlarm"]
        found = self.client.describe_alarms(AlarmNames=[name], AlarmTypes=kinds)
        shown: list[dict[str, Any]] = found["MetricAlarms"] + found["CompositeAlarms"]
        assert len(shown) == 1
        return shown[0]

    def state(self, name: str = "errors") -> str:
        return str(self.described(name)["StateValue"])

    def minute(self, *values: float, **more: Any) -> str:
        """Puts values into this minute, lets it pass, and has the alarms look; the state of `errors`."""
        if values:
            self.clock.time += 30
            self.put(*values, **more)
            self.clock.time -= 30
        self.clock.time += 60 * self.alarms.scale
        self.alarms.look()
        return self.state()

    def history(self, kind: str) -> list[str]:
        """The summaries of one kind, the latest first."""
        found = self.client.describe_alarm_history(AlarmName="errors", HistoryItemType=kind)["AlarmHistoryItems"]
        return [str(one["HistorySummary"]) for one in found]
