"""A page of targets that is missing is not a balancer that has let go (fault 46)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.observe import Observer
from deployer.engine.ports import Record, Sighting
from deployer.engine.replay import replay
from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.model.methods import work
from deployer.model.moves import Terminate, Wait
from deployer.model.observation import Observation
from tests.builders import GOAL, PREVIOUS, instance, old, planned, seen, slot

AT_ONCE = Balancer("tg/shop", "shop", BalancerKind.ALB, 8080, deregistration_delay=0.0)
"""A drain of no length: what it has let go of is absent at once."""
ALL = {one: Target(TargetState.HEALTHY) for one in ("i-0", "i-1")}
PART = {"i-0": Target(TargetState.HEALTHY)}


def observer(*records: Record, wary: bool = False) -> Observer:
    """Two instances, of which one may go; nothing was looked at yet, and `records` are in the journal."""
    plan = planned("i-0", "i-1", balancers=(AT_ONCE,))
    return Observer(plan, replay(records, plan, 0.0), wary=wary)


def told(move: str, outcome: str) -> Record:
    """What the journal of an earlier run has of `i-1`."""
    data = {"move": {"move": move, "instance": "i-1"}, "outcome": outcome}
    return Record(1, 0.0, "r", 1, "outcome", "i-1", data)


def look(by: Observer, targets: dict[str, Target], now: float) -> Observation:
    """A look that shows these targets."""
    return by.observe(Sighting((instance("i-0"), instance("i-1")), {AT_ONCE.id: targets}, {}, {}), now)


def test_one_that_is_not_on_the_page_is_neither_healthy_nor_drained() -> None:
    by = observer()
    look(by, ALL, 100.0)
    there = look(by, PART, 105.0)
    assert there.by_id["i-1"][1].targets[AT_ONCE.id].state is TargetState.UNKNOWN
    moves = work(there, [there.by_name["slot-1"]])
    assert [type(move) for move in moves] == [Wait]


def test_one_that_stays_away_until_the_expectation_runs_out_was_taken_out_by_somebody() -> None:
    by = observer()
    look(by, ALL, 100.0)
    look(by, PART, 105.0)
    later = look(by, PART, 100.0 + by.plan.policy.deadlines.expectation)
    assert later.by_id["i-1"][1].targets[AT_ONCE.id].state is TargetState.ABSENT
    assert Terminate("i-1") in work(later, [later.by_name["slot-1"]])


def test_one_that_was_seen_to_drain_is_believed_to_be_gone() -> None:
    by = observer()
    look(by, ALL, 100.0)
    look(by, {**PART, "i-1": Target(TargetState.DRAINING)}, 105.0)
    assert look(by, PART, 106.0).by_id["i-1"][1].targets[AT_ONCE.id].state is TargetState.ABSENT


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ((), TargetState.UNKNOWN),
        ((told("Drain", "unknown"),), TargetState.UNKNOWN),
        ((told("Drain", "done"),), TargetState.ABSENT),
    ],
)
def test_the_first_look_of_a_run_proves_an_absence_only_where_the_journal_tells_of_it(
    records: tuple[Record, ...], state: TargetState
) -> None:
    by = observer(*records, wary=True)
    assert look(by, PART, 100.0).by_id["i-1"][1].targets[AT_ONCE.id].state is state
    later = look(by, PART, 100.0 + by.plan.policy.deadlines.expectation)
    assert later.by_id["i-1"][1].targets[AT_ONCE.id].state is TargetState.ABSENT


def test_a_mere_look_shows_what_the_balancer_says() -> None:
    assert look(observer(), PART, 100.0).by_id["i-1"][1].targets[AT_ONCE.id].state is TargetState.ABSENT


def test_nobody_is_given_up_on_while_a_balancer_does_not_say_how_it_is_nor_right_after() -> None:
    """An old instance that is the goal of the way back has been as it is for longer than any deadline."""
    for state in (TargetState.UNKNOWN, TargetState.HEALTHY):
        one = replace(old("i-0", state), in_service_since=None, since=0.0)
        back = seen([slot("0", one, begun=True)], goal=PREVIOUS, previous=GOAL, rolling_back=True)
        assert [type(move) for move in work(back, back.slots)] == [Wait]
