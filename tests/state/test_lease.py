"""Who may change a fleet, in every place that state can be kept in."""

from __future__ import annotations

import pytest

from deployer.model.errors import ExitCode, FleetHeld, JournalCorrupt, LeaseLost
from deployer.state.lease import TAKEOVER_MARGIN
from deployer.state.memory import MemoryShelf
from deployer.state.shelf import Shelf, Version
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, BOB, HandClock, Living, other_process

TTL = 60.0


def test_a_second_rollout_is_told_who_holds_the_fleet_since_when_why_and_how_to_go_on(
    store: ShelvedStore, clock: HandClock
) -> None:
    store.acquire("web", BOB, "release 1 → 2", "r-1", TTL, clock)
    clock.time += 30
    with pytest.raises(FleetHeld) as held:
        store.acquire("web", ANN, "release 1 → 3", "r-2", TTL, clock)
    said = str(held.value)
    for part in ("web", "bob@runner (pid 22)", "https://ci.example/job/7", "2023-11-14 22:30:00 UTC", "30 s ago"):
        assert part in said
    for part in ("release 1 → 2", "deployer unlock", "deployer resume"):
        assert part in said
    assert held.value.exit_code is ExitCode.HELD


def test_another_fleet_is_free_while_one_is_held(store: ShelvedStore, clock: HandClock) -> None:
    store.acquire("web", BOB, "", "r-1", TTL, clock)
    assert store.acquire("worker", ANN, "", "r-2", TTL, clock).still_held()


def test_a_released_fleet_can_be_taken_and_its_epoch_grows(store: ShelvedStore, clock: HandClock) -> None:
    first = store.acquire("web", BOB, "", "r-1", TTL, clock)
    first.release()
    assert store.holder("web") is None
    second = store.acquire("web", ANN, "", "r-2", TTL, clock)
    assert second.epoch > first.epoch
    assert not first.still_held()


def test_releasing_twice_is_harmless_and_does_not_free_the_next_holder(
    store: ShelvedStore, clock: HandClock
) -> None:
    first = store.acquire("web", BOB, "", "r-1", TTL, clock)
    first.release()
    second = store.acquire("web", ANN, "", "r-2", TTL, clock)
    first.release()
    second.heartbeat()
    holder = store.holder("web")
    assert holder is not None
    assert holder.owner == ANN


def test_heartbeats_keep_a_lease_for_as_long_as_the_rollout_lasts(store: ShelvedStore, clock: HandClock) -> None:
    lease = store.acquire("web", BOB, "", "r-1", TTL, clock)
    for _ in range(20):
        clock.time += TTL / 2
        lease.heartbeat()
        assert lease.still_held()
    with pytest.raises(FleetHeld, match="wait for it"):
        store.acquire("web", ANN, "", "r-2", TTL, clock)


def test_a_lease_without_heartbeat_is_not_trusted_by_its_own_holder_when_its_time_is_over(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = store.acquire("web", BOB, "", "r-1", TTL, clock)
    clock.time += TTL - 0.1
    assert lease.still_held()
    clock.time += 0.2
    assert not lease.still_held()


def test_a_wall_clock_that_jumps_does_not_end_a_lease(store: ShelvedStore, clock: HandClock) -> None:
    lease = store.acquire("web", BOB, "", "r-1", TTL, clock)
    for jump in (86_400.0, -200_000.0):
        clock.epoch += jump
        clock.time += 1
        lease.heartbeat()
        assert lease.still_held()


def test_a_laptop_that_slept_does_not_trust_its_lease_though_its_monotonic_clock_stood_still(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = store.acquire("web", BOB, "", "r-1", TTL, clock)
    clock.epoch += 3600
    assert not lease.still_held()
    assert lease.left() == 0
    store.acquire("web", ANN, "abort", "r-1", TTL, clock)
    with pytest.raises(LeaseLost, match="ann@laptop"):
        lease.heartbeat()


def test_a_lease_tells_how_long_it_lasts_without_another_heartbeat(store: ShelvedStore, clock: HandClock) -> None:
    lease = store.acquire("web", BOB, "", "r-1", TTL, clock)
    clock.time += 15
    assert lease.left() == TTL - 15
    lease.release()
    assert lease.left() == 0


def test_all_leases_of_a_fleet_in_one_store_are_of_one_line(store: ShelvedStore, clock: HandClock) -> None:
    first = store.acquire("web", BOB, "", "r-1", TTL, clock)
    first.release()
    second = store.acquire("web", ANN, "", "r-2", TTL, clock)
    elsewhere = ShelvedStore(MemoryShelf()).acquire("web", ANN, "", "r-2", TTL, clock)
    assert first.line == second.line
    assert elsewhere.line not in ("", first.line)


def test_what_was_taken_over_and_given_back_is_told_as_that_and_not_as_unlocked(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    clock.time += TTL + TAKEOVER_MARGIN + 1
    store.acquire("web", BOB, "abort", "r-1", TTL, clock).release()
    with pytest.raises(LeaseLost) as lost:
        lease.heartbeat()
    assert "bob@runner" in str(lost.value)
    assert "took it over under epoch 2 for: abort, and has given it back since" in str(lost.value)
    assert "unlock" not in str(lost.value)


def test_a_lease_that_was_deleted_is_not_blamed_on_anybody(living: Living, clock: HandClock) -> None:
    shelf = MemoryShelf()
    lease = ShelvedStore(shelf, gone=living).acquire("web", ANN, "", "r-1", TTL, clock)
    shelf.leases.clear()
    clock.time += TTL / 2
    with pytest.raises(LeaseLost, match="it was deleted from the state store") as lost:
        lease.heartbeat()
    assert "unlock" not in str(lost.value)


def test_a_dead_holders_rollout_is_taken_over_at_once_by_resume(
    store: ShelvedStore, clock: HandClock, living: Living
) -> None:
    dead = store.acquire("web", ANN, "", "r-1", TTL, clock)
    living.dead.add(ANN)
    before = clock.time
    lease = store.acquire("web", other_process(ANN), "", "r-1", TTL, clock)
    assert clock.time == before
    assert lease.epoch == dead.epoch + 1


def test_a_second_rollout_after_a_dead_one_is_told_to_resume_or_abort_it(
    store: ShelvedStore, clock: HandClock, living: Living
) -> None:
    store.acquire("web", ANN, "release 1 → 2", "r-1", TTL, clock)
    living.dead.add(ANN)
    with pytest.raises(FleetHeld, match=r"rollout r-1.*its process is gone.*deployer resume.*deployer abort"):
        store.acquire("web", other_process(ANN), "release 1 → 3", "r-2", TTL, clock)


def test_a_living_holders_rollout_is_not_resumed_by_anybody_else(store: ShelvedStore, clock: HandClock) -> None:
    store.acquire("web", ANN, "", "r-1", TTL, clock)
    clock.time += TTL + TAKEOVER_MARGIN - 1
    with pytest.raises(FleetHeld, match="wait for it"):
        store.acquire("web", BOB, "", "r-1", TTL, clock)


def test_an_expired_lease_is_resumed_from_elsewhere_after_the_margin(store: ShelvedStore, clock: HandClock) -> None:
    old = store.acquire("web", ANN, "", "r-1", TTL, clock)
    clock.time += TTL + TAKEOVER_MARGIN + 1
    new = store.acquire("web", BOB, "", "r-1", TTL, clock)
    assert new.epoch == old.epoch + 1


def test_a_holder_stopped_past_its_lease_and_overtaken_fences_itself_on_waking(
    store: ShelvedStore, clock: HandClock
) -> None:
    stopped = store.acquire("web", ANN, "", "r-1", TTL, clock)
    clock.time += TTL + TAKEOVER_MARGIN + 1
    store.acquire("web", BOB, "", "r-1", TTL, clock)
    assert not stopped.still_held()
    with pytest.raises(LeaseLost, match=r"bob@runner \(pid 22\).*took it over under epoch 2"):
        stopped.heartbeat()
    assert not stopped.still_held()
    with pytest.raises(LeaseLost):
        stopped.heartbeat()


def test_a_holder_stopped_past_its_lease_that_nobody_took_may_go_on_once_the_store_agrees(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    clock.time += 10 * TTL
    assert not lease.still_held()
    lease.heartbeat()
    assert lease.still_held()


def test_a_taker_with_a_fast_wall_clock_does_not_rob_a_holder_that_still_writes(
    shelf: Shelf, living: Living, clock: HandClock
) -> None:
    store = ShelvedStore(shelf, gone=living)
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)

    class Fast(HandClock):
        def sleep(self, seconds: float) -> None:
            clock.time += seconds
            lease.heartbeat()

    fast = Fast(clock.time, clock.epoch + 3600)
    with pytest.raises(FleetHeld, match="wait for it"):
        store.acquire("web", BOB, "", "r-1", TTL, fast)
    assert lease.still_held()


def test_unlock_tells_whom_it_broke_and_its_holder_can_change_nothing_more(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = store.acquire("web", ANN, "release 1 → 2", "r-1", TTL, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    broken = store.break_lease("web")
    assert broken is not None
    assert (broken.owner, broken.reason) == (ANN, "release 1 → 2")
    assert store.break_lease("web") is None
    assert store.holder("web") is None
    clock.time += TTL / 2
    with pytest.raises(LeaseLost, match="deployer unlock"):
        journal.append("intent", "i-1", {})


def test_an_unlocked_fleet_is_not_given_away_while_its_holder_may_not_know_yet(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    store.break_lease("web")
    assert lease.still_held()
    with pytest.raises(FleetHeld, match=r"was unlocked.*stops by itself within 75 s"):
        store.acquire("web", BOB, "", "r-2", TTL, clock)
    clock.time += TTL + TAKEOVER_MARGIN + 1
    assert not lease.still_held()
    assert store.acquire("web", BOB, "", "r-2", TTL, clock).epoch == lease.epoch + 1


def test_an_unlocked_fleet_whose_holder_is_dead_is_free_at_once(
    store: ShelvedStore, clock: HandClock, living: Living
) -> None:
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    living.dead.add(ANN)
    store.break_lease("web")
    assert store.acquire("web", BOB, "", "r-2", TTL, clock).epoch == lease.epoch + 1


def test_epochs_go_on_growing_after_the_lease_was_deleted_by_hand(living: Living, clock: HandClock) -> None:
    shelf = MemoryShelf()
    store = ShelvedStore(shelf, gone=living)
    for rollout in ("r-1", "r-2", "r-3"):
        lease = store.acquire("web", ANN, "", rollout, TTL, clock)
        store.open_rollout("web", rollout, lease, clock)
        lease.release()
        clock.time += 1
    shelf.leases.clear()
    assert store.acquire("web", ANN, "", "r-4", TTL, clock).epoch == lease.epoch + 1


def test_a_lease_that_cannot_be_read_stops_everybody_with_a_sentence(living: Living, clock: HandClock) -> None:
    shelf = MemoryShelf()
    shelf.leases["web"] = Version(b"{}", "1")
    store = ShelvedStore(shelf, gone=living)
    with pytest.raises(JournalCorrupt, match="lease of fleet web cannot be read"):
        store.acquire("web", ANN, "", "r-1", TTL, clock)
