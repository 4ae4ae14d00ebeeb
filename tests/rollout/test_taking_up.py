"""A rollout that is gone on with was still open when the fleet was held, whatever was found a moment before."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.settings import FindSettings, FleetSettings, ReleaseSettings, RunOptions
from deployer.engine.clock import RealClock
from deployer.engine.events import Event, Noted
from deployer.engine.ports import Journal, Lease
from deployer.rollout.hold import closing_the_last
from deployer.rollout.takeover import taking_up
from deployer.rollout.wiring import Wiring
from deployer.state.memory import MemoryShelf
from deployer.state.requests import Request, Wish
from deployer.state.shelved import ShelvedStore
from tests.builders import planned
from tests.state.parties import ANN, Living

PLAN = planned("i-0")


@pytest.fixture
def store() -> ShelvedStore:
    living = Living()
    living.dead.add(ANN)
    return ShelvedStore(MemoryShelf(), gone=living)


@pytest.fixture
def wiring() -> Wiring:
    settings = FleetSettings(
        name="web",
        find=FindSettings(tags={"Role": "web"}),
        source=Path("deployer.toml"),
        release=ReleaseSettings(name="2", bundle="."),
    )
    return Wiring(settings, environment={})


def begun(store: ShelvedStore, rollout: str = "r-1") -> tuple[Lease, Journal]:
    """A rollout of another process, under way."""
    lease = store.acquire("web", ANN, "rollout to release 2", rollout, 60.0, RealClock())
    journal = store.open_rollout("web", rollout, lease, RealClock())
    return lease, journal


def pin(journal: Journal) -> None:
    journal.append("plan", "web", {"plan": PLAN.to_json(), "fingerprint": PLAN.fingerprint()})


def test_one_whose_process_died_is_taken_up_as_it_was_planned(store: ShelvedStore, wiring: Wiring) -> None:
    _, journal = begun(store)
    pin(journal)
    journal.append("intent", "tick", {"moves": [{"move": "Drain", "instance": "i-0"}]})

    with taking_up(wiring, store, "r-1") as taken:
        assert taken is not None
        assert taken.plan == PLAN
        assert taken.memory(turn_back=False).slot("slot-0").begun_at is not None
        assert store.holder("web") is not None

    assert store.holder("web") is None


def test_one_that_ended_before_the_fleet_was_held_is_left_as_it_is(store: ShelvedStore, wiring: Wiring) -> None:
    lease, journal = begun(store)
    pin(journal)
    found = store.last_rollout("web")
    assert found is not None
    assert not found.finished
    journal.append("end", "web", {"status": "succeeded"})
    lease.release()
    before = store.read_rollout("web", "r-1")

    with taking_up(wiring, store, found.rollout) as taken:
        assert taken is None

    assert store.read_rollout("web", "r-1") == before
    assert store.holder("web") is None


def test_one_that_a_later_rollout_has_followed_is_left_as_it_is(store: ShelvedStore, wiring: Wiring) -> None:
    lease, journal = begun(store)
    pin(journal)
    lease.release()
    later, _ = begun(store, "r-2")
    later.release()

    with taking_up(wiring, store, "r-1") as taken:
        assert taken is None

    assert store.holder("web") is None


def test_one_that_died_before_it_had_a_plan_is_closed(store: ShelvedStore, wiring: Wiring) -> None:
    begun(store)

    with taking_up(wiring, store, "r-1") as taken:
        assert taken is None

    found = store.last_rollout("web")
    assert found is not None
    assert found.finished
    assert store.holder("web") is None


def test_turning_back_is_told_to_the_journal_once(store: ShelvedStore, wiring: Wiring) -> None:
    _, journal = begun(store)
    pin(journal)

    with taking_up(wiring, store, "r-1") as taken:
        assert taken is not None
        assert taken.memory(turn_back=True).rolling_back
        assert taken.memory(turn_back=True).rolling_back

    assert [record.kind for record in store.read_rollout("web", "r-1")].count("stance") == 1


def test_a_request_to_pause_is_answered_by_going_on(store: ShelvedStore, wiring: Wiring) -> None:
    _, journal = begun(store)
    pin(journal)
    store.post("web", Request("r-1", Wish.PAUSE, "bob", 0.0))

    with taking_up(wiring, store, "r-1") as taken:
        assert taken is not None
        mailbox = taken.mailbox(RunOptions(approve=True))
        mailbox.look()

    assert mailbox.request is None
    assert mailbox.approval is not None


def test_a_rollout_that_begins_gives_up_one_that_was_cut_short_and_says_so(
    store: ShelvedStore, wiring: Wiring
) -> None:
    lease, journal = begun(store)
    pin(journal)
    lease.release()
    told: list[Event] = []
    later = store.acquire("web", ANN, "rollout to release 3", "r-2", 60.0, RealClock())

    closing_the_last(wiring, store, later, "r-2", told.append)
    closing_the_last(wiring, store, later, "r-2", told.append)

    found = store.last_rollout("web")
    assert found is not None
    assert found.end is not None
    assert (found.rollout, found.end.data["status"]) == ("r-1", "superseded")
    (note,) = told
    assert isinstance(note, Noted)
    assert note.text.startswith("rollout r-1 was cut short and is given up")


def test_the_rollout_before_that_ended_is_left_as_it_is(store: ShelvedStore, wiring: Wiring) -> None:
    lease, journal = begun(store)
    journal.append("end", "web", {"status": "succeeded"})
    lease.release()
    later = store.acquire("web", ANN, "rollout to release 3", "r-2", 60.0, RealClock())
    before = store.read_rollout("web", "r-1")

    closing_the_last(wiring, store, later, "r-2", lambda _: None)

    assert store.read_rollout("web", "r-1") == before
