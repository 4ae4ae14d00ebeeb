"""A worker is behind no balancer: it is asked by hooks and its lame-duck command, and its host is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.guard import judge
from deployer.model.methods.work import work
from deployer.model.moves import Attach, Drain, LameDuck, Move, Stage, Terminate, Update, Wait
from deployer.model.observation import Observation, Seen, Work
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.policy import Policy
from deployer.model.service import drain_missing, in_service, is_proven, takes_traffic
from tests.builders import NOW, in_place, new, old, seen, slot

LAME = ("/opt/lame-duck",)


def worker(**more: object) -> Seen:
    return replace(old("i-1"), targets={}, **more)  # type: ignore[arg-type]


def successor() -> Seen:
    return replace(new("i-9"), targets={})


def fleet(one: Seen, *others: Seen, policy: Policy | None = None, **more: object) -> Observation:
    return seen([slot("s", one, *others, begun=True)], policy=policy, balancers=(), **more)


def moves(here: Observation) -> list[Move]:
    return [move for move in work(here, here.slots) if not isinstance(move, Wait)]


def test_a_worker_is_asked_to_take_no_more_work_before_it_is_ended() -> None:
    here = fleet(worker(), successor(), policy=Policy(lame_duck=LAME))
    assert moves(here) == [Drain("i-1")]

    asked = fleet(worker(detached_since=NOW - 1), successor(), policy=Policy(lame_duck=LAME))
    assert moves(asked) == [LameDuck("i-1")]

    busy = worker(detached_since=NOW - 9, lame_duck=Work.DONE, connections=2)
    assert moves(fleet(busy, successor(), policy=Policy(lame_duck=LAME))) == []

    quiet = worker(
        detached_since=NOW - 60, lame_duck=Work.DONE, connections=0, quiet_since=NOW - 30, quiet_until=NOW
    )
    assert moves(fleet(quiet, successor(), policy=Policy(lame_duck=LAME))) == [Terminate("i-1")]


def test_its_hooks_run_before_and_after() -> None:
    points = frozenset({Point.BEFORE_DRAIN, Point.AFTER_DRAIN})
    before, after = Occasion(Point.BEFORE_DRAIN, "i-1"), Occasion(Point.AFTER_DRAIN, "i-1")
    quiet = worker(detached_since=NOW - 60, connections=0, quiet_since=NOW - 30, quiet_until=NOW)

    def asked(one: Seen, *passed: Occasion) -> list[Occasion | None]:
        here = fleet(one, successor(), hooked=points, rulings={o: Ruling(Verdict.PASS) for o in passed})
        return [move.asks for move in work(here, here.slots) if isinstance(move, Wait)]

    assert asked(worker()) == [before]
    assert asked(quiet) == [after]
    assert asked(quiet, before, after) == []


@pytest.mark.parametrize("move", [Terminate("i-1"), Update("i-1")])
def test_the_guard_ends_none_that_was_not_asked_whoever_wants_it(move: Move) -> None:
    allowed, refused = judge(fleet(worker(), successor()), [move])
    assert allowed == []
    assert "may be at work" in refused[0].because


def test_one_that_says_that_it_is_sick_does_no_work() -> None:
    sick = worker(answer=replace(old("i-1").answer, ok=False))  # type: ignore[type-var]
    assert drain_missing(fleet(sick), sick) is None


def test_one_that_takes_no_more_work_is_out_of_service_and_its_leaving_is_felt_once() -> None:
    asked = worker(detached_since=NOW - 1)
    here = fleet(asked, floor=1)
    assert not in_service(here, asked)
    assert not takes_traffic(here, asked)


@pytest.mark.parametrize(
    ("one", "policy"),
    [
        (worker(detached_since=NOW - 1, reachable=False), Policy()),
        (worker(detached_since=NOW - Policy().deadlines.drain, connections=4), Policy()),
    ],
    ids=["cannot be asked", "for ever"],
)
def test_what_no_balancer_ends_is_not_waited_for_without_an_end(one: Seen, policy: Policy) -> None:
    assert drain_missing(fleet(one, policy=policy), one) is None


def test_in_place_it_gets_its_bundle_first_and_is_taken_back_once_it_answers() -> None:
    assert moves(fleet(worker(), policy=in_place())) == [Stage("i-1")]

    done = replace(new("i-1"), targets={}, launched_by_us=False, detached_since=NOW - 60)
    here = fleet(done, policy=in_place())
    assert not is_proven(here, done)
    assert moves(here) == [Attach("i-1")]
    back = replace(done, detached_since=None)
    assert is_proven(fleet(back, policy=in_place()), back)
