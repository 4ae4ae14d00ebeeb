"""What was intended and what came of it, in every place that state can be kept in."""

from __future__ import annotations

import pytest

from deployer.engine.ports import Lease
from deployer.model.errors import LeaseLost
from deployer.state.memory import MemoryShelf
from deployer.state.owner import Deed
from deployer.state.shelved import KEPT, ShelvedStore
from tests.state.parties import ANN, BOB, HandClock, Living, other_process

TTL = 60.0


def take(store: ShelvedStore, clock: HandClock, rollout: str = "r-1") -> Lease:
    return store.acquire("web", ANN, "release 1 → 2", rollout, TTL, clock)


def test_what_was_appended_is_read_back_in_order_by_another_process(store: ShelvedStore, clock: HandClock) -> None:
    lease = take(store, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    data = {"call": "RunInstances", "client_token": "abc", "zones": ["a", "b"], "n": 2, "none": None, "ok": True}
    written = journal.append("intent", "slot-1", data)
    journal.append("outcome", "slot-1", {"instance": "i-1 – ü\n"})
    read = store.read_rollout("web", "r-1")
    assert tuple(journal.records()) == tuple(read)
    assert [r.kind for r in read] == ["note", "intent", "outcome"]
    assert [r.seq for r in read] == [0, 1, 2]
    assert read[1] == written
    assert read[1].data == data
    assert {r.epoch for r in read} == {lease.epoch}


def test_a_bake_between_a_paused_rollout_and_its_resumption_hides_nothing(
    store: ShelvedStore, clock: HandClock
) -> None:
    for rollout, status in (("r-1", None), ("r-2", "baked")):
        lease = take(store, clock, rollout)
        journal = store.open_rollout("web", rollout, lease, clock)
        if status is not None:
            journal.append("end", "web", {"status": status})
        lease.release()
        clock.time += 1
    last = store.last_rollout("web")
    assert last is not None
    assert (last.rollout, last.finished) == ("r-1", False)
    assert [entry.rollout for entry in store.rollouts("web", 5)] == ["r-2", "r-1"]


def test_a_journal_of_hundreds_of_records_is_whole(store: ShelvedStore, clock: HandClock) -> None:
    lease = take(store, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    for number in range(200):
        journal.append("intent", f"i-{number}", {"number": number})
    assert [r.data.get("number") for r in store.read_rollout("web", "r-1")][1:] == list(range(200))


def test_resuming_goes_on_in_the_same_journal_under_the_next_epoch(
    store: ShelvedStore, clock: HandClock, living: Living
) -> None:
    journal = store.open_rollout("web", "r-1", take(store, clock), clock)
    journal.append("intent", "i-1", {})
    living.dead.add(ANN)
    lease = store.acquire("web", other_process(ANN), "", "r-1", TTL, clock)
    resumed = store.open_rollout("web", "r-1", lease, clock)
    assert [r.kind for r in resumed.records()] == ["note", "intent", "note"]
    assert [r.epoch for r in resumed.records()] == [1, 1, 2]
    assert resumed.append("outcome", "i-1", {}).seq == 3


def test_a_writer_that_was_overtaken_cannot_append_even_while_it_believes_in_its_lease(
    store: ShelvedStore, clock: HandClock, living: Living
) -> None:
    """The lease was taken between two heartbeats: the journal itself shuts the old writer out (fault 34)."""
    journal = store.open_rollout("web", "r-1", take(store, clock), clock)
    living.dead.add(ANN)
    lease = store.acquire("web", BOB, "", "r-1", TTL, clock)
    resumed = store.open_rollout("web", "r-1", lease, clock)
    with pytest.raises(LeaseLost, match="another process"):
        journal.append("intent", "i-1", {})
    with pytest.raises(LeaseLost):
        journal.append("intent", "i-1", {})
    assert len(resumed.records()) == 2
    resumed.append("intent", "i-2", {})


def test_a_writer_past_its_lease_appends_nothing_and_one_that_still_has_it_renews_it(
    store: ShelvedStore, clock: HandClock
) -> None:
    lease = take(store, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    clock.time += TTL * 0.9
    journal.append("intent", "i-1", {})
    clock.time += TTL * 0.9
    assert lease.still_held()
    lease.release()
    with pytest.raises(LeaseLost):
        journal.append("intent", "i-2", {})


def test_history_tells_the_newest_rollouts_first_with_plan_and_end(store: ShelvedStore, clock: HandClock) -> None:
    for number in range(3):
        lease = take(store, clock, f"r-{number}")
        journal = store.open_rollout("web", f"r-{number}", lease, clock)
        journal.append("plan", f"r-{number}", {"release_to": str(number)})
        if number < 2:
            journal.append("end", f"r-{number}", {"status": "succeeded"})
        lease.release()
        clock.time += 10
    entries = store.rollouts("web", 2)
    assert [entry.rollout for entry in entries] == ["r-2", "r-1"]
    assert [entry.finished for entry in entries] == [False, True]
    assert entries[1].end is not None
    assert entries[1].end.data == {"status": "succeeded"}
    assert entries[1].plan is not None
    last = store.last_rollout("web")
    assert last is not None
    assert last.rollout == "r-2"
    assert last.started == pytest.approx(clock.wall() - 10, abs=0.01)


def test_a_fleet_that_was_never_rolled_out_has_no_history(store: ShelvedStore) -> None:
    assert store.last_rollout("web") is None
    assert store.rollouts("web", 10) == ()
    assert store.read_rollout("web", "r-1") == ()
    assert store.holder("web") is None


def test_history_keeps_the_newest_rollouts_and_lets_older_ones_go(store: ShelvedStore, clock: HandClock) -> None:
    for number in range(KEPT + 3):
        lease = take(store, clock, f"r-{number}")
        store.open_rollout("web", f"r-{number}", lease, clock)
        lease.release()
        clock.time += 1
    entries = store.rollouts("web", KEPT + 10)
    assert [entry.rollout for entry in entries] == [f"r-{n}" for n in range(KEPT + 2, 2, -1)]


def test_names_that_would_lead_out_of_the_folder_stay_inside(store: ShelvedStore, clock: HandClock) -> None:
    lease = store.acquire("../../etc", ANN, "", "../r", TTL, clock)
    journal = store.open_rollout("../../etc", "../r", lease, clock)
    journal.append("plan", "../r", {})
    last = store.last_rollout("../../etc")
    assert last is not None
    assert last.rollout == "../r"


def test_the_first_record_says_who_does_it_by_what_command_and_from_which_commit(clock: HandClock) -> None:
    deeds = iter(("rollout --release 2", "abort"))
    store = ShelvedStore(
        MemoryShelf(),
        deed=lambda: Deed(BOB, f"deployer {next(deeds)}", "1.2.3", "abc123"),
        gone=lambda _owner: True,
    )
    for _ in range(2):
        store.open_rollout("web", "r-1", store.acquire("web", BOB, "", "r-1", TTL, clock), clock)
    first, second = store.read_rollout("web", "r-1")
    assert first.data["by"] == {
        "user": "bob",
        "host": "runner",
        "pid": 22,
        "job": "https://ci.example/job/7",
        "command": "deployer rollout --release 2",
        "version": "1.2.3",
        "revision": "abc123",
    }
    assert second.data["by"]["command"] == "deployer abort"  # type: ignore[index]
    [entry] = store.rollouts("web", 5)
    assert entry.opened == first


def test_who_unlocked_a_fleet_stands_in_the_next_journal(clock: HandClock) -> None:
    store = ShelvedStore(MemoryShelf(), gone=lambda _owner: True)
    store.acquire("web", ANN, "", "r-1", TTL, clock)
    store.break_lease("web", by="carol@bastion (pid 7)")
    lease = store.acquire("web", BOB, "", "r-2", TTL, clock)
    store.open_rollout("web", "r-2", lease, clock)
    assert store.read_rollout("web", "r-2")[0].data["unlocked"] == "carol@bastion (pid 7)"
    lease.release()
    again = store.acquire("web", BOB, "", "r-3", TTL, clock)
    store.open_rollout("web", "r-3", again, clock)
    assert "unlocked" not in store.read_rollout("web", "r-3")[0].data


def test_as_many_rollouts_are_kept_as_asked_for(clock: HandClock) -> None:
    store = ShelvedStore(MemoryShelf(), gone=lambda _owner: True, keep=3)
    for number in range(6):
        lease = store.acquire("web", BOB, "", f"r-{number}", TTL, clock)
        store.open_rollout("web", f"r-{number}", lease, clock)
        lease.release()
        clock.time += 1
    assert [entry.rollout for entry in store.rollouts("web", 10)] == ["r-5", "r-4", "r-3"]


def test_a_journal_that_was_deleted_or_changed_by_hand_is_not_blamed_on_a_takeover(clock: HandClock) -> None:
    shelf = MemoryShelf()
    store = ShelvedStore(shelf, gone=lambda _owner: True)
    lease = store.acquire("web", ANN, "", "r-1", TTL, clock)
    journal = store.open_rollout("web", "r-1", lease, clock)
    [name] = shelf.journals["web"]
    kept = shelf.journals["web"].pop(name)
    with pytest.raises(LeaseLost, match=r"was deleted, by no command of deployer's") as gone:
        journal.append("intent", "i-1", {})
    assert "another process" not in str(gone.value)
    shelf.journals["web"][name] = kept
    journal = store.open_rollout("web", "r-1", lease, clock)
    shelf.journals["web"][name] = kept[: kept.index(b"\n") + 1]
    with pytest.raises(LeaseLost, match="was changed by something that is not a deployer"):
        journal.append("intent", "i-1", {})
