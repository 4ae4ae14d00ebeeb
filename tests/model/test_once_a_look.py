"""What is asked of an observation again and again is worked out once, and anew for another observation."""

from __future__ import annotations

from dataclasses import replace

from deployer.model.observation import Observation, Seen
from deployer.model.once_a_look import once_a_look
from deployer.model.service import count, in_service
from tests.builders import GOAL, new, old, seen, slot


def test_a_question_is_answered_once_for_each_instance_of_an_observation() -> None:
    asked: list[str] = []

    @once_a_look
    def name(_seen: Observation, one: Seen) -> str:
        asked.append(one.id)
        return one.id

    first, second = old("i-1"), old("i-2")
    here = seen([slot("slot-1", first), slot("slot-2", second)])
    assert [name(here, one) for one in (first, second, first, second)] == ["i-1", "i-2", "i-1", "i-2"]
    assert asked == ["i-1", "i-2"]


def test_another_observation_is_asked_anew() -> None:
    one = new("i-1")
    here = seen([slot("slot-1", one)])
    assert in_service(here, one)
    assert count(here).in_service == 1
    later = replace(here, goal=replace(GOAL, name="3"))
    assert not in_service(later, one)
    assert count(later).in_service == 0


def test_an_instance_that_was_changed_on_paper_has_an_answer_of_its_own() -> None:
    one = old("i-1")
    here = seen([slot("slot-1", one)])
    assert in_service(here, one)
    assert not in_service(here, replace(one, in_service_since=None))
