from __future__ import annotations

import threading
import time

from deployer.remote.pool import Pool
from tests.patience import PATIENCE


def collect(pool: Pool[str, str], count: int) -> list[str]:
    reports: list[str] = []
    end = time.monotonic() + PATIENCE
    while len(reports) < count and time.monotonic() < end:
        reports.extend(pool.reports())
        time.sleep(0.005)
    return reports


def test_submitting_returns_at_once_and_reports_come_once() -> None:
    gate = threading.Event()
    pool: Pool[str, str] = Pool(2, lambda task: (gate.wait(PATIENCE), task.upper())[1], lambda t, p: f"{t}: {p}")

    assert pool.submit("a")
    assert pool.reports() == ()
    gate.set()

    assert collect(pool, 1) == ["A"]
    assert pool.reports() == ()


def test_a_task_that_is_under_way_is_not_queued_again() -> None:
    gate = threading.Event()
    pool: Pool[str, str] = Pool(1, lambda task: (gate.wait(PATIENCE), task)[1], lambda t, p: f"{t}: {p}")

    assert [pool.submit(task) for task in ("a", "b", "a", "b")] == [True, True, False, False]
    assert pool.pending() == {"a", "b"}
    gate.set()

    assert sorted(collect(pool, 2)) == ["a", "b"]
    assert pool.submit("a")


def test_never_more_than_its_size_run_at_once() -> None:
    running, highest, lock = [0], [0], threading.Lock()

    def work(task: str) -> str:
        with lock:
            running[0] += 1
            highest[0] = max(highest[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        return task

    pool: Pool[str, str] = Pool(3, work, lambda t, p: f"{t}: {p}")
    for number in range(20):
        pool.submit(str(number))

    assert len(collect(pool, 20)) == 20
    assert highest[0] <= 3


def test_work_that_raises_is_reported_and_its_thread_goes_on() -> None:
    pool: Pool[str, str] = Pool(1, lambda task: str(int(task)), lambda t, p: f"{t}: {type(p).__name__}")
    pool.submit("x")
    pool.submit("7")

    assert collect(pool, 2) == ["x: ValueError", "7"]


def test_closing_drops_what_has_not_begun_and_waits_for_what_runs() -> None:
    begun, gate = threading.Event(), threading.Event()

    def work(task: str) -> str:
        begun.set()
        gate.wait(PATIENCE)
        return task

    pool: Pool[str, str] = Pool(1, work, lambda t, p: f"{t}: {p}")
    pool.submit("a")
    begun.wait(PATIENCE)
    pool.submit("b")

    assert not pool.close(0.05)
    gate.set()
    assert pool.close(20)
    assert pool.reports() == ("a",)
    assert not pool.submit("c")
