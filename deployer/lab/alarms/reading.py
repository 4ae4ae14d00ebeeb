"""What requests say of metrics, queries and alarms, checked as CloudWatch checks it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from deployer.lab.alarms.errors import invalid, wrong_together, wrong_value
from deployer.lab.alarms.records import Bar, Comparison, Metric, Missing, Query, Watch
from deployer.lab.alarms.series import Series

Kind = TypeVar("Kind", bound=Enum)
_SHORT_PERIODS = (1, 5, 10, 20, 30)
_SHORTEST_FOR_ALARMS = 10
_MINUTE, _DAY = 60, 86_400
OWN = "m1"
"""The id of the one query of an alarm that names its metric itself."""


def metric(given: Mapping[str, Any]) -> Metric:
    """A metric's name. Raises ValidationError without namespace or name."""
    namespace, name = given.get("Namespace"), given.get("MetricName")
    if not namespace or not name:
        raise invalid("Namespace and MetricName are required.")
    pairs = [(str(one["Name"]), str(one["Value"])) for one in given.get("Dimensions") or ()]
    return Metric(str(namespace), str(name), frozenset(pairs))


def period(value: Any) -> int:
    """A period in seconds: one of the short ones, or a multiple of a minute."""
    found = int(value or 0)
    if found not in _SHORT_PERIODS and (found <= 0 or found % _MINUTE):
        raise wrong_value(
            f"The parameter Period is {found}; it must be {', '.join(map(str, _SHORT_PERIODS))} or a multiple "
            f"of {_MINUTE}."
        )
    return found


def query(given: Mapping[str, Any], default_period: int = _MINUTE) -> Query:
    """One query of GetMetricData or of an alarm's Metrics."""
    ident, stat, expression = str(given.get("Id")), given.get("MetricStat"), given.get("Expression")
    if bool(stat) == bool(expression):
        raise invalid(f"The query {ident} must have either MetricStat or Expression.")
    label, returned = str(given.get("Label") or ""), given.get("ReturnData") in (None, True)
    if not stat:
        asked = given.get("Period")
        length = period(asked) if asked else default_period
        return Query(ident, length, expression=str(expression), label=label, returned=returned)
    return Query(
        ident,
        period(stat.get("Period")),
        metric(stat["Metric"]),
        str(stat.get("Stat")),
        stat.get("Unit"),
        label=label,
        returned=returned,
    )


def queries(given: list[Mapping[str, Any]]) -> tuple[Query, ...]:
    """Several queries; an expression without a period of its own has that of the metrics."""
    stated = [int((one.get("MetricStat") or {}).get("Period") or 0) for one in given]
    return tuple(query(one, max(stated, default=0) or _MINUTE) for one in given)


def watch(given: Mapping[str, Any]) -> Watch:
    """What PutMetricAlarm asks to be watched. Raises the API's errors."""
    found = queries(given["Metrics"]) if given.get("Metrics") else (_own_query(given),)
    if sum(one.returned for one in found) != 1:
        raise invalid("Exactly one element of the metrics list should return data.")
    Series(found)
    result = Watch(found, _bar(given))
    _check_length(result)
    return result


def _own_query(given: Mapping[str, Any]) -> Query:
    plain, extended = given.get("Statistic"), given.get("ExtendedStatistic")
    if plain and extended:
        raise wrong_together("Only one of Statistic and ExtendedStatistic can be given.")
    if not plain and not extended:
        raise invalid("Exactly one of Metrics, Statistic or ExtendedStatistic is required.")
    return Query(OWN, period(given.get("Period")), metric(given), str(plain or extended), given.get("Unit"))


def _bar(given: Mapping[str, Any]) -> Bar:
    if given.get("ThresholdMetricId"):
        raise invalid("This lab has no anomaly detection: ThresholdMetricId is not understood.")
    if given.get("Threshold") is None:
        raise invalid("Threshold is required.")
    periods = int(given.get("EvaluationPeriods") or 0)
    to_alarm = int(given.get("DatapointsToAlarm") or periods)
    if periods < 1:
        raise invalid("EvaluationPeriods must be at least 1.")
    if not 1 <= to_alarm <= periods:
        raise invalid(f"DatapointsToAlarm is {to_alarm}; it must be from 1 to EvaluationPeriods, {periods}.")
    comparison = _one_of(Comparison, given.get("ComparisonOperator"), "ComparisonOperator")
    missing = _one_of(Missing, given.get("TreatMissingData") or Missing.MISSING.value, "TreatMissingData")
    return Bar(comparison, float(given["Threshold"]), periods, to_alarm, missing)


def _one_of(kind: type[Kind], value: Any, name: str) -> Kind:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(one.value) for one in kind)
        raise invalid(f"Value '{value}' at '{name}' must be one of: {known}.") from None


def _check_length(asked: Watch) -> None:
    """At most a day, or with periods of an hour and more a week. [PutMetricAlarm]"""
    if asked.period < _SHORTEST_FOR_ALARMS:
        raise invalid(f"Period of an alarm must be at least {_SHORTEST_FOR_ALARMS}.")
    longest = 7 * _DAY if asked.period >= 3600 else _DAY
    if asked.bar.periods * asked.period > longest:
        raise invalid(f"Metrics cannot be checked across more than {longest} seconds (EvaluationPeriods * Period).")
