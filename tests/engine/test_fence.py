"""The lease is asked where things are sent, and kept alive by a thread of its own."""

from __future__ import annotations

import threading

import pytest

from deployer.engine.fence import Fence, beating
from deployer.model.errors import LeaseLost, StateUnavailable
from deployer.state.lease import TAKEOVER_MARGIN
from deployer.state.memory import MemoryShelf
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, BOB, HandClock

TTL = 60.0


class Down(MemoryShelf):
    """A shelf that can be put out of reach."""

    down = False

    def put_lease(self, fleet: str, content: bytes, expected: str | None) -> str:
        if self.down:
            raise StateUnavailable("the shelf is down")
        return super().put_lease(fleet, content, expected)


def test_the_fence_is_open_while_nothing_is_held() -> None:
    fence = Fence()
    fence.check()
    assert (fence.left, fence.epoch, fence.line) == (None, 0, "")


def test_the_fence_takes_a_lease_up_again_that_ran_out_and_that_nobody_took() -> None:
    clock, fence = HandClock(), Fence()
    fence.stand_on(ShelvedStore(MemoryShelf()).acquire("web", ANN, "", "r-1", TTL, clock))
    clock.time += 10 * TTL
    fence.check()
    assert fence.left == TTL


def test_the_fence_is_shut_once_somebody_took_the_fleet_over() -> None:
    clock, fence, store = HandClock(), Fence(), ShelvedStore(MemoryShelf())
    fence.stand_on(store.acquire("web", ANN, "", "r-1", TTL, clock))
    clock.time += TTL + TAKEOVER_MARGIN + 1
    store.acquire("web", BOB, "", "r-1", TTL, clock)
    for _ in range(2):
        with pytest.raises(LeaseLost, match="bob@runner"):
            fence.check()
    assert fence.left == 0


def test_the_fence_is_shut_after_the_lease_was_given_back() -> None:
    clock, fence = HandClock(), Fence()
    lease = ShelvedStore(MemoryShelf()).acquire("web", ANN, "", "r-1", TTL, clock)
    fence.stand_on(lease)
    lease.release()
    with pytest.raises(LeaseLost, match="given back"):
        fence.check()


def test_the_fence_holds_changes_up_while_the_lease_has_run_out_and_the_store_is_silent() -> None:
    clock, fence, shelf = HandClock(), Fence(), Down()
    fence.stand_on(ShelvedStore(shelf).acquire("web", ANN, "", "r-1", TTL, clock))
    shelf.down = True
    clock.time += TTL / 2
    fence.check()
    clock.time += TTL
    with pytest.raises(StateUnavailable):
        fence.check()
    shelf.down = False
    fence.check()


def test_a_lease_outlives_a_call_that_lasts_ten_times_as_long_as_it_does() -> None:
    clock, store = HandClock(), ShelvedStore(MemoryShelf())
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    call_ended = threading.Event()
    end = clock.time + 10 * TTL

    def wait(seconds: float) -> bool:
        clock.time += seconds
        if clock.time >= end:
            call_ended.set()
        return call_ended.is_set()

    with beating(lease, TTL, wait):
        assert call_ended.wait(30)
    assert lease.still_held()
    holder = store.holder("web")
    assert holder is not None
    assert holder.beat - holder.since >= 9 * TTL


def test_the_heartbeat_goes_on_after_a_store_was_silent_for_a_while() -> None:
    clock, shelf = HandClock(), Down()
    lease = ShelvedStore(shelf).acquire("web", ANN, "", "r-1", TTL, clock)
    began, over = clock.time, threading.Event()

    def wait(seconds: float) -> bool:
        clock.time += seconds
        shelf.down = TTL < clock.time - began < 3 * TTL
        if clock.time - began >= 5 * TTL:
            over.set()
        return over.is_set()

    with beating(lease, TTL, wait):
        assert over.wait(30)
    assert lease.still_held()
