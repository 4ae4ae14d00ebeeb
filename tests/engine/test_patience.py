"""A store that is silent for a while is waited for, and every record is written once."""

from __future__ import annotations

import pytest

from deployer.engine.clock import StopRequest
from deployer.engine.events import Event, Noted
from deployer.engine.patience import Patience, PatientJournal, PatientLease, StoreSilent
from deployer.state.shelved import ShelvedStore
from tests.state.parties import ANN, HandClock, Living
from tests.state.test_store_down import CutShelf

TTL = 60.0


class Weather(HandClock):
    """A clock; the store is silent until `back`."""

    def __init__(self, shelf: CutShelf) -> None:
        super().__init__()
        self.shelf, self.back = shelf, 0.0

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.shelf.line.down = self.time < self.back


class Table:
    """A journal and a lease on a store that can fall silent."""

    def __init__(self) -> None:
        self.shelf = CutShelf()
        self.clock = Weather(self.shelf)
        self.said: list[Event] = []
        self.stop = StopRequest()
        store = ShelvedStore(self.shelf, gone=Living())
        lease = store.acquire("web", ANN, "", "r-1", TTL, self.clock)
        patience = Patience(self.clock, self.stop, self.said.append, 600.0)
        self.lease = PatientLease(lease, patience)
        self.journal = PatientJournal(store.open_rollout("web", "r-1", lease, self.clock), patience)

    def falls_silent(self, seconds: float) -> None:
        self.clock.back, self.shelf.line.down = self.clock.time + seconds, True

    def subjects(self) -> list[str]:
        return [record.subject for record in self.journal.records() if record.subject != "journal opened"]


@pytest.mark.parametrize("seconds", [1.0, TTL / 2, 3 * TTL])
def test_a_record_is_written_once_the_store_answers_again(seconds: float) -> None:
    table = Table()
    table.falls_silent(seconds)
    began = table.clock.time
    table.journal.append("intent", "i-1", {})
    assert table.subjects() == ["i-1"]
    assert table.clock.time - began >= seconds
    assert table.lease.still_held()


def test_a_record_whose_answer_was_lost_is_not_written_twice() -> None:
    table = Table()
    table.shelf.line.deaf = 1
    table.journal.append("intent", "i-1", {"moves": [1, 2]})
    table.journal.append("outcome", "i-1", {})
    table.journal.append("outcome", "i-1", {})
    assert table.subjects() == ["i-1", "i-1", "i-1"]
    assert [record.seq for record in table.journal.records()] == list(range(5))


def test_what_happens_is_told_once_with_the_reason_and_once_when_it_is_over() -> None:
    table = Table()
    table.falls_silent(20.0)
    table.journal.append("intent", "i-1", {})
    first, last = table.said
    assert isinstance(first, Noted)
    assert "down; waiting for it, for 600 s at most" in first.text
    assert isinstance(last, Noted)
    assert "answers again, after 20 s" in last.text


def test_past_its_deadline_it_is_waited_for_no_longer_and_the_next_command_is_named() -> None:
    table = Table()
    table.falls_silent(10_000.0)
    table.clock.time += TTL / 2  # from when on the lease wants a heartbeat
    for ask in (table.lease.heartbeat, lambda: table.journal.append("intent", "i-1", {})):
        table.clock.time += TTL
        with pytest.raises(StoreSilent, match=r"waited for 600 s; `deployer resume` goes on"):
            ask()


def test_nobody_who_asks_to_stop_waits_for_the_store() -> None:
    table = Table()
    table.falls_silent(10_000.0)
    table.stop.ask("SIGINT")
    with pytest.raises(StoreSilent, match="waited for 0 s"):
        table.journal.append("intent", "i-1", {})
