"""Numbers over time: what queries say of one period after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.lab.alarms.errors import invalid, wrong_value
from deployer.lab.alarms.expressions import Expression, Number
from deployer.lab.alarms.metrics import Metrics, is_statistic, statistic
from deployer.lab.alarms.records import Query


@dataclass(frozen=True)
class Period:
    """One period, in seconds since the epoch; `end` is not part of it."""

    start: float
    end: float


class Series:
    """Queries that may speak of each other. Raises ValidationError for those that cannot be computed."""

    def __init__(self, queries: Sequence[Query]) -> None:
        self._queries = {query.id: query for query in queries}
        self._expressions = {one.id: Expression(one.expression) for one in queries if one.expression}
        for query in queries:
            if query.metric is not None and not is_statistic(query.statistic):
                raise wrong_value(
                    f"The value {query.statistic} for parameter Statistic is not supported: this lab has "
                    "SampleCount, Average, Sum, Minimum, Maximum and percentiles such as p99."
                )
        for ident, expression in self._expressions.items():
            for name in expression.names:
                if name not in self._queries:
                    raise invalid(f"The expression '{ident}' speaks of '{name}', and there is no query of this id.")
            self._check_circles(ident, ())

    def _check_circles(self, ident: str, above: tuple[str, ...]) -> None:
        if ident in above:
            raise invalid(f"The expressions {', '.join(above)} go round in a circle.")
        if ident in self._expressions:
            for name in self._expressions[ident].names:
                self._check_circles(name, (*above, ident))

    def value(self, ident: str, period: Period, metrics: Metrics) -> Number:
        """What one query says of one period."""
        query = self._queries[ident]
        if query.metric is not None:
            data = metrics.between(query.metric, period.start, period.end, query.unit)
            return statistic(data, query.statistic)
        expression = self._expressions[ident]
        of_metrics = [name for name, other in self._queries.items() if other.metric is not None]
        known = {name: self.value(name, period, metrics) for name in {*of_metrics, *expression.names}}
        return expression.value(known)
