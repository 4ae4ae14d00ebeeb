"""A worker is behind no balancer: it is asked by hooks and its lame-duck command, and its host is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.guard import judge
from deployer.model.methods.work import work
from deployer.model.moves import Attach, Drain, GiveUp, Move, Stage, Terminate, Update, Wait
from deployer.model.observation import Answer, Observation, Seen
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.policy import Policy
from deployer.model.service import drain_missing, in_service, is_proven, takes_traffic
from tests.builders import NOW, in_place, new, old, seen, slot


def worker(**more: object) -> Seen:
    return replace(old("i-1"), targets={}, **more)  # type: ignore[arg-type]


def successor() -> Seen:
    return replace(new("i-9"), targets={})


def fleet(one: Seen, *others: Seen, policy: Policy | None = None, **more: object) -> Observation:
    return seen([slot("s", one, *others, begun=True)], policy=policy, balancers=(), **more)


def moves(here: Observation) -> list[Move]:
    return [move for move in work(here, here.slots) if not isinstance(move, Wait)]


def test_a_worker_is_waited_for_before_it_is_ended() -> None:
    assert moves(fleet(worker(), successor())) == [Drain("i-1")]

    busy = worker(detached_since=NOW - 9, connections=2)
    assert moves(fleet(busy, successor())) == []

    quiet = worker(detached_since=NOW - 60, connections=0, quiet_since=NOW - 30, quiet_until=NOW)
    assert moves(fleet(quiet, successor())) == [Terminate("i-1")]


def test_the_lame_duck_command_is_not_run_where_nothing_would_take_it_back() -> None:
    policy = Policy(lame_duck=("/opt/lame-duck",))
    drains = fleet(worker(detached_since=NOW - 1, reachable=True), successor(), policy=policy)
    assert moves(drains) == []


def test_silence_is_not_sickness() -> None:
    silent = worker(answer=Answer(ok=False, at=NOW, detail="no answer", heard=False))
    assert takes_traffic(fleet(silent), silent)
    assert not in_service(fleet(silent), silent)
    floor = replace(fleet(silent).limits, floor=1)
    allowed, refused = judge(fleet(silent, limits=floor), [Drain("i-1")])
    assert (allowed, [one.promise for one in refused]) == ([], [1])
    sick = worker(answer=Answer(ok=False, at=NOW, detail="connection refused"))
    assert not takes_traffic(fleet(sick), sick)


def test_one_that_worked_and_is_silent_now_has_the_time_of_a_boot_to_answer_again() -> None:
    def moved(now: float, well_at: float | None, **more: object) -> list[Move]:
        silent = replace(successor(), since=0.0, well_at=well_at, answer=Answer(ok=False, at=now, heard=False))
        return moves(seen([slot("s", silent, begun=True)], now=now, balancers=(), **more))

    boot = Policy().deadlines.boot
    assert [type(move) for move in moved(boot + 1, None)] == [GiveUp]
    assert moved(boot + 1, well_at=boot - 1) == []
    assert moved(boot + 1, None, turned_at=boot) == [], "nobody had a reason to ask it before"
    [gone] = moved(2 * boot, well_at=boot - 1)
    assert isinstance(gone, GiveUp)
    assert "did not answer its health path any more" in gone.reason


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


def test_whether_hooks_told_one_nobody_knows_so_it_is_neither_counted_on_nor_ended_under_the_floor() -> None:
    asked = worker(detached_since=NOW - Policy().deadlines.drain)
    assert not in_service(fleet(asked), asked)
    allowed, refused = judge(fleet(asked, floor=1), [Update("i-1")])
    assert (allowed, [one.promise for one in refused]) == ([], [1])
    allowed, _ = judge(fleet(asked, successor(), floor=1), [Update("i-1")])
    assert allowed == [Update("i-1")]


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
