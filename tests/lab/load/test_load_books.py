"""The pure parts: the schedule, the histogram, the buckets and the verdict."""

from __future__ import annotations

import errno
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.lab.load.histogram import Histogram
from deployer.lab.load.outcome import Answer, Failure, Outcome, connect_failure
from deployer.lab.load.schedule import Mix, Request, schedule
from deployer.lab.load.tally import LONGEST_STANDSTILL, USUAL_LAG, Tally
from deployer.lab.load.text import lines


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - a repeatable mix, not a secret


ORDINARY = Request(0.0, "/", fresh=False)


def test_requests_are_evenly_spaced_and_all_there() -> None:
    requests = list(schedule(250, 4, Mix(), seeded(1)))
    assert len(requests) == 1000
    assert [request.at for request in requests] == pytest.approx([n / 250 for n in range(1000)])


def test_the_mix_keeps_to_its_shares() -> None:
    requests = list(schedule(1000, 20, Mix(fresh=0.3, slow=0.03), seeded(1)))
    assert sum(request.fresh for request in requests) / len(requests) == pytest.approx(0.3, abs=0.02)
    assert sum(request.slow > 0 for request in requests) / len(requests) == pytest.approx(0.03, abs=0.01)
    assert all(1 <= request.slow <= 3 for request in requests if request.slow)
    assert {request.path for request in requests if not request.slow} == {"/", "/api/time"}


def test_the_same_seed_repeats_the_same_requests_and_another_does_not() -> None:
    def first(seed: int) -> list[Request]:
        return list(schedule(100, 2, Mix(), seeded(seed)))

    assert first(7) == first(7)
    assert first(7) != first(8)


@given(st.lists(st.floats(1e-6, 100), min_size=1, max_size=300), st.sampled_from([1, 50, 95, 99, 100]))
def test_a_percentile_is_at_most_one_percent_too_high_and_never_too_low(values: list[float], percent: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]
    assert exact * 0.999999 <= histogram.percentile(percent) <= exact * 1.0101
    assert histogram.max == max(values)


def test_an_empty_histogram_has_no_durations() -> None:
    assert Histogram().percentile(99) == 0.0


@pytest.mark.parametrize(
    ("outcome", "bucket"),
    [
        (Outcome(answer=Answer(200)), "ok"),
        (Outcome(answer=Answer(204)), "ok"),
        (Outcome(answer=Answer(302)), "http_302"),
        (Outcome(answer=Answer(404)), "http_404"),
        (Outcome(answer=Answer(502)), "http_502"),
        (Outcome(failure=Failure.RESET), "reset"),
        (Outcome(failure=Failure.CLOSED), "closed_before_response"),
    ],
)
def test_only_a_whole_2xx_answer_is_ok(outcome: Outcome, bucket: str) -> None:
    assert outcome.bucket == bucket
    assert outcome.ok is (bucket == "ok")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), Failure.CONNECT_REFUSED),
        (TimeoutError(), Failure.CONNECT_TIMEOUT),
        (TimeoutError(errno.ETIMEDOUT, ""), Failure.CONNECT_TIMEOUT),
        (ConnectionResetError(errno.ECONNRESET, ""), Failure.RESET),
        (OSError(errno.ENETUNREACH, ""), Failure.CONNECT_FAILED),
        (OSError(errno.EMFILE, ""), Failure.LOCAL),
        (OSError(errno.EADDRNOTAVAIL, ""), Failure.LOCAL),
    ],
)
def test_each_way_of_not_connecting_has_its_name(error: OSError, failure: Failure) -> None:
    assert connect_failure(error) is failure


def booked(*outcomes: Outcome, late: float = 0.001) -> Tally:
    tally = Tally(rate=250)
    for outcome in outcomes:
        tally.fired(ORDINARY, late)
        tally.add(ORDINARY, outcome, 0.01, reused=False)
    tally.seconds = 1.0
    return tally


def test_every_request_is_in_exactly_one_bucket() -> None:
    outcomes = [Outcome(failure=failure) for failure in Failure]
    outcomes += [Outcome(answer=Answer(status)) for status in (200, 404, 502, 503)]
    document = booked(*outcomes).document()
    assert document["sent"] == len(outcomes)
    assert document["ok"] == 1
    assert document["failed"] == len(outcomes) - 1
    assert document["failures"] == dict.fromkeys(sorted({o.bucket for o in outcomes} - {"ok"}), 1)


def test_where_no_answer_names_a_release_none_is_printed() -> None:
    document = booked(Outcome(answer=Answer(200, None, "i-1")), Outcome(answer=Answer(502))).document()
    assert not {"by_release", "failed_by_release"} & document.keys()
    assert document["by_instance"] == {"i-1": 1}
    mixed = booked(Outcome(answer=Answer(200, "1")), Outcome(answer=Answer(200))).document()
    assert mixed["by_release"] == {"1": 1, "unmarked": 1}


def test_what_a_sick_release_answered_itself_is_counted_apart() -> None:
    document = booked(
        Outcome(answer=Answer(200, "1", "i-1")),
        Outcome(answer=Answer(200, "2", "i-2")),
        Outcome(answer=Answer(500, "2", "i-2")),
        Outcome(answer=Answer(502)),
    ).document()
    assert document["by_release"] == {"1": 1, "2": 1}
    assert document["failed_by_release"] == {"2": 1}
    assert document["failed"] == 2
    assert document["by_instance"] == {"i-1": 1, "i-2": 1}


def test_the_waiting_that_a_slow_request_asked_for_is_no_latency() -> None:
    tally = Tally(rate=1)
    slow = Request(0.0, "/slow?seconds=2", fresh=True, slow=2.0)
    tally.fired(slow, 0.0)
    tally.add(slow, Outcome(answer=Answer(200)), 2.05, reused=False)
    assert tally.latency.max == pytest.approx(0.05)


def test_a_quiet_generator_is_trusted() -> None:
    assert booked(Outcome(answer=Answer(200))).doubt() is None


def test_a_standstill_withholds_the_verdict_and_says_how_long_it_was() -> None:
    tally = booked(*[Outcome(answer=Answer(200))] * 1000)
    tally.lag.add(LONGEST_STANDSTILL + 0.5)
    document = tally.document()
    assert document["trustworthy"] is False
    assert "stood still for 1.5 s" in str(document["reason"])
    assert any("withheld" in line for line in lines(tally))


def test_a_constant_lag_withholds_the_verdict() -> None:
    reason = booked(*[Outcome(answer=Answer(200))] * 10, late=USUAL_LAG * 1.5).doubt()
    assert reason is not None
    assert "too busy" in reason


def test_running_out_of_ports_here_says_nothing_about_the_target() -> None:
    reason = booked(Outcome(failure=Failure.LOCAL)).doubt()
    assert reason is not None
    assert "descriptors or ports" in reason


def test_no_request_proves_nothing() -> None:
    assert Tally(rate=1).doubt() == "no request was sent"


def test_the_first_failures_are_kept_with_their_time_and_the_rest_only_counted() -> None:
    tally = booked(*[Outcome(failure=Failure.RESET)] * 50)
    assert len(tally.first_failures) == 20
    assert tally.first_failures[0] == {
        "at": 0.0,
        "path": "/",
        "failure": "reset",
        "reused_connection": False,
        "instance": None,
    }
    assert tally.failed == 50
