"""`alarms`, `metric`, `approval` and `time_window`: failure, error and doubt are three things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from deployer.hooks.alarms import Alarms, Means
from deployer.hooks.approval import Approval
from deployer.hooks.contract import Judgement
from deployer.hooks.metric import Metric, conclude
from deployer.hooks.time_window import TimeWindow
from deployer.model.occasions import Verdict
from deployer.model.outside import AlarmState, MetricQuery
from tests.hooks.conftest import Answer, Server, call, doors

P, F, E, D = Verdict.PASS, Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE
WAIT = Verdict.PENDING


@dataclass
class CloudWatch:
    """Alarms and datapoints as a test says."""

    states: Mapping[str, AlarmState] = field(default_factory=dict)
    datapoint: float | None = None

    def alarms(self, names: Sequence[str]) -> Mapping[str, tuple[AlarmState, str]]:
        return {name: (self.states[name], "because") for name in names if name in self.states}

    def value(self, query: MetricQuery) -> float | None:
        return self.datapoint


@pytest.mark.parametrize(
    ("states", "verdict", "said"),
    [
        ((AlarmState.OK, AlarmState.OK), P, "2 OK"),
        ((AlarmState.OK, AlarmState.ALARM), F, "b is ALARM (because)"),
        ((AlarmState.INSUFFICIENT, AlarmState.OK), WAIT, "a is INSUFFICIENT_DATA (because)"),
        ((AlarmState.INSUFFICIENT, AlarmState.ALARM), F, "b is ALARM (because)"),
    ],
)
def test_alarms_are_never_read_into_silence(
    states: tuple[AlarmState, AlarmState], verdict: Verdict, said: str
) -> None:
    known = doors(monitoring=lambda: CloudWatch(dict(zip("ab", states, strict=True))))
    judgement = Alarms(("a", "b")).judge(call(), known)
    assert (judgement.verdict, judgement.detail) == (verdict, said)


def test_an_alarm_that_does_not_exist_is_an_error_and_each_state_has_its_policy() -> None:
    assert Alarms(("a",)).judge(call(), doors(monitoring=CloudWatch)).verdict is E
    for state, settings in (
        (AlarmState.ALARM, {"alarm": Means.WAIT}),
        (AlarmState.INSUFFICIENT, {"insufficient": Means.PASS}),
        (AlarmState.OK, {"ok": Means.FAIL}),
    ):
        known = doors(monitoring=lambda state=state: CloudWatch({"a": state}))
        (meant,) = settings.values()
        expected = {Means.WAIT: WAIT, Means.PASS: P, Means.FAIL: F}[meant]
        assert Alarms(("a",), **settings).judge(call(), known).verdict is expected


@pytest.mark.parametrize(
    ("value", "sample"), [(0.001, P), (0.03, D), (0.2, F), (None, D)], ids=["good", "between", "bad", "no data"]
)
def test_a_metric_between_its_conditions_is_neither_good_nor_bad(value: float | None, sample: Verdict) -> None:
    gate = Metric(success="< 0.01", failure="> 0.1", namespace="Shop", metric="Errors", count=3)
    judgement = gate.judge(call(), doors(monitoring=lambda: CloudWatch(datapoint=value)))
    assert judgement.sample is sample


@pytest.mark.parametrize(
    ("samples", "verdict"),
    [
        ([P], WAIT),
        ([P, P, P], P),
        ([P, F], WAIT),
        ([P, F, F], F),
        ([P, F, P], P),
        ([P, E, P, P], P),
        ([E, E], WAIT),
        ([E, E, E], E),
        ([E, E, P, E, E], WAIT),
        ([D, D], WAIT),
        ([D, P, D, D], D),
        ([P, P, D, P], P),
    ],
)
def test_looks_conclude_by_their_limits(samples: list[Verdict], verdict: Verdict) -> None:
    limits = Metric(
        success="< 1", url="http://127.0.0.1", count=3, failure_limit=1, error_limit=2, inconclusive_limit=2
    )
    assert conclude(samples, limits) is verdict


def test_a_metric_from_an_address_is_read_from_its_json_and_what_is_no_number_is_an_error(server: Server) -> None:
    gate = Metric(success="< 1", url=server.url, json_field="data.0.value")
    server.answers["*"] = [
        Answer(body=b'{"data": [{"value": "0.5"}]}'),
        Answer(body=b'{"data": []}'),
        Answer(503),
        Answer(hang_up=True),
    ]
    found = [gate.judge(call(), doors()) for _ in range(4)]
    assert [one.sample for one in found] == [P, E, E, E]
    assert found[0].verdict is P


def test_earlier_looks_come_back_with_the_call() -> None:
    gate = Metric(success="< 1", namespace="S", metric="E", count=2)
    known = doors(monitoring=lambda: CloudWatch(datapoint=0.0))
    first = gate.judge(call(), known)
    second = gate.judge(call(earlier=(first,)), known)
    assert (first.verdict, second.verdict) == (WAIT, P)


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "E", "namespace": "S"},
        {"success": "< 1"},
        {"success": "< 1", "metric": "E"},
        {"success": "about 1", "url": "http://a"},
        {"success": "< 1", "metric": "E", "namespace": "S", "url": "http://a"},
    ],
)
def test_a_metric_that_cannot_conclude_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"expected|needs|has"):
        Metric(**settings)  # type: ignore[arg-type]


def test_approval_waits_until_somebody_has_said_yes() -> None:
    assert Approval().judge(call(), doors()).verdict is WAIT
    assert Approval().judge(call(approved_by="ann"), doors()) == Judgement(P, "approved by ann")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "moment", "verdict"),
    [
        ({}, "2026-07-04T03:00", P),
        ({"days": "mon-thu", "hours": "09:00-16:00"}, "2026-07-01T09:00", P),  # a Wednesday
        ({"days": "mon-thu", "hours": "09:00-16:00"}, "2026-07-01T16:00", WAIT),
        ({"days": "mon-thu"}, "2026-07-03T12:00", WAIT),
        ({"days": "fri-mon"}, "2026-07-05T12:00", P),
        ({"days": "fri", "hours": "22:00-04:00"}, "2026-07-04T03:59", P),  # Saturday, of Friday's window
        ({"days": "fri", "hours": "22:00-04:00"}, "2026-07-03T03:59", WAIT),
        ({"hours": "09:00-10:00", "timezone": "Europe/Berlin"}, "2026-07-01T07:30", P),
        ({"hours": "09:00-10:00", "timezone": "Europe/Berlin"}, "2026-01-07T07:30", WAIT),  # winter time
        ({"freezes": {"2026-12-20..2027-01-02": "trade"}}, "2027-01-02T23:59", WAIT),
        ({"freezes": {"2026-12-20..2027-01-02": "trade"}}, "2027-01-03T00:00", P),
        ({"freezes": {"2026-12-24": "eve"}}, "2026-12-24T10:00", WAIT),
    ],
)
def test_a_window_is_open_or_waited_for(settings: dict[str, object], moment: str, verdict: Verdict) -> None:
    gate = TimeWindow(**settings)  # type: ignore[arg-type]
    assert gate.judge(call(), doors(today=lambda: _at(moment))).verdict is verdict


@pytest.mark.parametrize(
    "settings",
    [
        {"days": "monday"},
        {"hours": "9-16"},
        {"hours": "09:00-09:00"},
        {"hours": "09:00-25:00"},
        {"timezone": "Mars/Olympus"},
        {"freezes": {"christmas": "x"}},
        {"freezes": {"2026-12-24..2026-12-20": "x"}},
    ],
)
def test_a_window_that_makes_no_sense_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        TimeWindow(**settings)  # type: ignore[arg-type]
