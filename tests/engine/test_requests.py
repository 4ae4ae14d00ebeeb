"""Requests are counted from when an instance is put into service, through restarts of what counts and of us."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from deployer.engine.asking import questions
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.ports import Record
from deployer.engine.replay import replay
from deployer.model.fleet import TargetState
from deployer.model.hosts import CountRequests, Requests
from deployer.model.methods.steps import bring_up
from deployer.model.moves import GiveUp, Wait
from deployer.model.observation import Install, Observation, Seen, Work
from deployer.model.policy import Policy
from deployer.model.service import has_arrived, in_service, is_fit, is_proven
from tests.builders import BALANCER, GOAL, NOW, PREVIOUS, new, old, planned, seen, slot

ASKS = Policy(min_requests=20)


def told(*totals: int | None, attached_from: int = 0) -> Memory:
    """A memory that took in these totals of one host, which was in service from the one at that index on."""
    memory = Memory(GOAL, PREVIOUS)
    observer = Observer(planned("i-1"), memory)
    for index, total in enumerate(totals):
        memory.facts("i-1").attached_at = 5.0 if index >= attached_from else None
        observer.take_in((Requests("i-1", total, "" if total is not None else "no answer"),), NOW)
    return memory


def test_what_was_answered_before_it_was_in_service_proves_nothing() -> None:
    assert told(3, 40, 41, 50, attached_from=2).facts("i-1").requests == 10


def test_the_first_total_of_a_process_is_where_it_begins_to_count() -> None:
    assert told(1_000_000).facts("i-1").requests == 0
    assert told(1_000_000, 1_000_007).facts("i-1").requests == 7


def test_a_total_that_falls_began_anew() -> None:
    assert told(0, 12, 3, 5).facts("i-1").requests == 17


def test_a_host_that_cannot_tell_takes_nothing_away_and_the_reason_is_kept() -> None:
    facts = told(0, 12, None).facts("i-1")
    assert (facts.requests, facts.requests_detail) == (12, "no answer")


@given(st.lists(st.none() | st.integers(0, 10**9), max_size=20))
def test_the_count_never_falls(totals: list[int | None]) -> None:
    counts = [told(*totals[:end]).facts("i-1").requests or 0 for end in range(len(totals) + 1)]
    assert counts == sorted(counts)


def test_whoever_resumes_knows_what_was_begun_to_be_updated() -> None:
    record = Record(1, 0.0, "r", 1, "intent", "tick", {"moves": [{"move": "Update", "instance": "i-1"}]})
    assert replay([record], planned("i-1"), NOW).facts("i-1").updated


def test_whoever_resumes_need_not_wait_for_as_many_again() -> None:
    record = Record(1, 0.0, "r", 1, "note", "i-1", {"requests": 21})
    assert replay([record], planned("i-1"), NOW).facts("i-1").requests == 21


def asked(one: Seen, **more: object) -> tuple[Observation, set[str]]:
    """The observation of one instance, and whose requests would be counted."""
    here = replace(seen([slot("slot-1", one, begun=True)], policy=ASKS), **more)  # type: ignore[arg-type]
    return here, {task.host.instance for task in questions(here) if isinstance(task, CountRequests)}


def test_requests_are_asked_of_what_this_rollout_changed_and_of_nobody_else() -> None:
    here, counted = asked(new("i-1"))
    assert (counted, is_proven(here, new("i-1")), in_service(here, new("i-1"))) == ({"i-1"}, False, False)
    updated = new("i-2", launched_by_us=False, install=Install(Work.DONE, "digest-2"))
    assert asked(updated)[1] == {"i-2"}
    resumed = new("i-2", launched_by_us=False, updated=True)
    here, counted = asked(resumed)
    assert (counted, is_proven(here, resumed), in_service(here, resumed)) == ({"i-2"}, False, True)
    untouched = new("i-3", launched_by_us=False)
    here, counted = asked(untouched)
    assert (counted, is_proven(here, untouched)) == (set(), True)
    here, counted = asked(old("i-4"))
    assert (counted, in_service(here, old("i-4"))) == (set(), True)


def test_no_requests_are_asked_of_anybody_on_the_way_back() -> None:
    here, counted = asked(new("i-1"), rolling_back=True)
    assert (counted, is_proven(here, new("i-1"))) == (set(), True)


def test_a_side_without_weight_is_asked_for_none_and_for_all_of_them_once_it_has_some() -> None:
    one = new("i-1")
    idle, counted = asked(one, weights={BALANCER.id: 0})
    assert (counted, is_proven(idle, one), is_fit(idle, one)) == (set(), True, True)
    assert not has_arrived(idle, idle.slots[0]), "what gets no traffic has proven nothing yet"
    live, counted = asked(one, weights={BALANCER.id: 100}, weights_since=NOW - 1)
    assert (counted, is_proven(live, one), is_fit(live, one)) == ({"i-1"}, False, True)
    assert isinstance(bring_up(live, one), Wait), "its time begins with its weight, not with its health"


def test_one_that_gets_no_requests_in_time_is_given_up_on_with_the_reason() -> None:
    late = new("i-1", since=NOW - 601)
    move = bring_up(asked(late)[0], late)
    assert move == GiveUp("i-1", "is healthy but unproven: 0 of 20 requests answered within 600 s")
    mute = replace(late, requests_detail="/metrics answered HTTP 404")
    move = bring_up(asked(mute)[0], mute)
    assert isinstance(move, GiveUp)
    assert "they cannot be counted: /metrics answered HTTP 404" in move.reason


def test_one_that_has_answered_enough_is_asked_no_more() -> None:
    enough = new("i-1", requests=20)
    here, counted = asked(enough)
    assert (counted, is_proven(here, enough), enough.targets[BALANCER.id].state) == (
        set(),
        True,
        TargetState.HEALTHY,
    )
