"""`metric`: a number is looked at several times, and has to be good; failure, error and doubt are three things."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from deployer.hooks.contract import HookCall, Judgement, judged
from deployer.hooks.doors import Doors
from deployer.hooks.web import NoAnswer, Request, check_url, send
from deployer.model.occasions import Verdict
from deployer.model.outside import MetricQuery
from deployer.model.plugin_fields import Between

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)\s*")


@dataclass(frozen=True)
class Condition:
    """A comparison with a number, such as `< 0.01`."""

    sign: str
    number: float

    @classmethod
    def parse(cls, text: str, what: str) -> Condition:
        """Reads `< 0.01`. Raises ValueError."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise ValueError(f'{what} is {text!r}; expected a comparison such as "< 0.01"')
        return cls(found[1], float(found[2]))

    def holds(self, value: float) -> bool:
        """Whether it is true of a value."""
        return _OPERATORS[self.sign](value, self.number)


@dataclass(frozen=True)
class Metric:
    """Looks at a number `count` times, at the gate's interval, and sorts each look into one of four.

    The number is the latest datapoint of a CloudWatch metric (`namespace`, `metric`, `dimensions`, `statistic`
    over `period` seconds) or, with `url`, the value at `json_field` (`data.0.value`) of a JSON document.

    A look **fails** when the `failure` condition holds, **passes** when `success` holds (one of them may be left
    out: then it is what the other is not), is **inconclusive** when neither does or there is no data, and is an
    **error** when it could not be taken. More of a kind than its limit (errors: in a row) end
    the gate with that verdict.
    """

    success: str = ""
    failure: str = ""
    namespace: str = ""
    metric: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Average"
    period: Annotated[int, Between(1)] = 60
    url: str = ""
    json_field: str = "value"
    count: Annotated[int, Between(1)] = 1
    failure_limit: Annotated[int, Between(0)] = 0
    inconclusive_limit: Annotated[int, Between(0)] = 3
    error_limit: Annotated[int, Between(0)] = 4

    def __post_init__(self) -> None:
        if not self.success and not self.failure:
            raise ValueError("has neither success nor failure; expected at least one condition")
        for what, text in (("success", self.success), ("failure", self.failure)):
            if text:
                Condition.parse(text, what)
        if bool(self.url) == bool(self.metric):
            raise ValueError("needs exactly one of metric (with its namespace) and url")
        if self.url:
            check_url(self.url)
        elif not self.namespace:
            raise ValueError("has a metric, but no namespace")

    def judge(self, call: HookCall, doors: Doors) -> Judgement:
        """See `Gate`."""
        try:
            value = self._take(call, doors)
        except NoAnswer as problem:
            return self._conclude(call, Verdict.ERROR, str(problem))
        if value is None:
            return self._conclude(call, Verdict.INCONCLUSIVE, "there is no data")
        return self._conclude(call, self.sort(value), f"{self.metric or self.json_field} is {value:g}")

    def sort(self, value: float) -> Verdict:
        """What one value means."""
        if self.failure and Condition.parse(self.failure, "failure").holds(value):
            return Verdict.FAIL
        if not self.success or Condition.parse(self.success, "success").holds(value):
            return Verdict.PASS
        return Verdict.INCONCLUSIVE if self.failure else Verdict.FAIL

    def _conclude(self, call: HookCall, sample: Verdict, said: str) -> Judgement:
        samples = [one.sample for one in call.earlier if one.sample is not None]
        verdict = conclude([*samples, sample], self)
        return judged(verdict, f"{said} ({sample.value}, look {len(samples) + 1} of {self.count})", sample)

    def _take(self, call: HookCall, doors: Doors) -> float | None:
        if not self.url:
            query = MetricQuery(self.namespace, self.metric, self.statistic, self.period, self.dimensions)
            return doors.open_monitoring().value(query)
        reply = send(Request(self.url, deadline=call.deadline), doors.now)
        if not reply.ok:
            raise NoAnswer(f"the address of the metric answered {reply.status}")
        try:
            found = json.loads(reply.body)
            for part in self.json_field.split("."):
                found = found[int(part)] if isinstance(found, list) else found[part]
            return None if found is None else float(found)
        except (ValueError, KeyError, IndexError, TypeError) as problem:
            raise NoAnswer(f"the answer holds no number at {self.json_field!r}") from problem


def conclude(samples: Sequence[Verdict], limits: Metric) -> Verdict:
    """What the looks so far come to; PENDING while more are to come.

    Errors count in a row, because a monitoring system that is away for a moment says nothing of the release;
    neither they nor what was inconclusive count among the `count` looks.
    """
    if samples.count(Verdict.FAIL) > limits.failure_limit:
        return Verdict.FAIL
    if samples.count(Verdict.INCONCLUSIVE) > limits.inconclusive_limit:
        return Verdict.INCONCLUSIVE
    in_a_row = next((n for n, one in enumerate(reversed(samples)) if one is not Verdict.ERROR), len(samples))
    if in_a_row > limits.error_limit:
        return Verdict.ERROR
    concluded = len([one for one in samples if one in (Verdict.PASS, Verdict.FAIL)])
    return Verdict.PASS if concluded >= limits.count else Verdict.PENDING
