"""Counting the requests that an application has answered: by a counter of its own, or by its access log."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.remote.outcome import Done, Failed, Unknown
from deployer.remote.request_count import AccessLog, counted, counter, in_log, read_count

PAGE = """\
# HELP shop_requests_total Requests answered.
# TYPE shop_requests_total counter
shop_requests_total{kind="page",status="200"} 41
shop_requests_total{status="500",kind="page",} 1.0 1700000000000
shop_requests_total{kind="healthz",status="200"} 900
shop_requests_total_created{kind="page"} 1.7e9
other_total 7
odd_total{say="a \\"quoted\\" } word"} 3
broken_total{kind=page} 3
nan_total NaN
"""


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("other_total", 7),
        ("shop_requests_total", 942),
        ('shop_requests_total{kind="page"}', 42),
        ('shop_requests_total{kind="page",status="500"}', 1),
        ('shop_requests_total{kind="sale"}', None),
        ("odd_total", 3),
        ("broken_total", None),
        ("nan_total", None),
        ("no_such_total", None),
    ],
)
def test_the_samples_that_fit_a_selector_are_added_up(selector: str, found: int | None) -> None:
    assert counted(PAGE, counter(selector, 8080, "/metrics")) == found


@given(st.text())
def test_no_page_makes_counting_fail(page: str) -> None:
    assert counted(page, counter("shop_requests_total", 8080, "/metrics")) is None or "shop_requests_total" in page


def test_labels_that_are_written_otherwise_are_refused() -> None:
    with pytest.raises(ValueError, match='kind="page"'):
        counter("shop_requests_total{kind=page}", 8080, "/metrics")


LOG = """\
10.0.0.9 - - [30/Nov/2026:21:00:00 +0000] "GET / HTTP/1.1" 200 612 "-" "Mozilla/5.0"
10.0.0.9 - - [30/Nov/2026:21:00:01 +0000] "GET /products/1 HTTP/1.1" 404 20 "-" "Mozilla/5.0"
10.0.0.9 - - [30/Nov/2026:21:00:02 +0000] "GET /products/2 HTTP/1.1" 502 20 "-" "Mozilla/5.0"
10.0.0.9 - - [30/Nov/2026:21:00:02 +0000] "GET /up HTTP/1.1" 200 2 "-" "ELB-HealthChecker/2.0"
10.0.0.9 - - [30/Nov/2026:21:00:02 +0000] "GET /healthz HTTP/1.1" 200 2 "-" "Prober/1.0"
10.0.0.9 - - [30/Nov/2026:21:00:03 +0000] "GET /x HTTP/1.1" 200 2 "-" "deployer"
10.0.0.9 - - [30/Nov/2026:21:00:04 +0000] "POST /basket HTTP/1.1" 303 0
{"status": 200, "path": "/"}
"""


def answered(log: Path, health: str) -> int:
    run = subprocess.run(in_log(AccessLog(str(log), health)), capture_output=True, check=True)
    return read_count(Done(run.stdout), str(log))


def test_of_an_access_log_answers_to_visitors_count_and_health_checks_do_not(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(LOG)
    assert answered(log, "/healthz") == 3


def test_a_health_path_that_visitors_ask_for_too_leaves_them_out_by_user_agent_alone(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(LOG)
    assert answered(log, "/") == 4


def test_a_log_that_cannot_be_read_is_told_with_what_the_host_said() -> None:
    with pytest.raises(ValueError, match=r"a\.log cannot be counted: exit 2: awk: cannot open a\.log"):
        read_count(Failed(2, "awk: cannot open a.log"), "a.log")
    with pytest.raises(ValueError, match="the connection was lost"):
        read_count(Unknown("the connection was lost"), "a.log")
    with pytest.raises(ValueError, match="gave no count"):
        read_count(Done(b"sudo: welcome\n3"), "a.log")
