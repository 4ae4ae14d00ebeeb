"""A worker that fetches its work from a queue: told to take no more, waited for, told to go on where it stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.engine.guard import judge
from deployer.model.fleet import InstanceState
from deployer.model.methods.work import settle, work
from deployer.model.moves import Attach, Drain, Move, SetAside, Terminate, Update, Wait
from deployer.model.observation import Answer, Observation, Seen, Work
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.policy import Method, Policy, Sabotage
from deployer.model.service import drain_missing, in_service, is_proven, takes_traffic
from deployer.model.share import Order, Share
from deployer.model.sources.queues import TELL_AGAIN
from deployer.model.work_source import SourceKind, WorkSource
from tests.builders import NOW, new, old, seen, slot

LONGEST = 60.0
SOURCE = WorkSource(SourceKind.SQS, ("stop",), ("take",), LONGEST, ("orders",))
POLICY = Policy(work=SOURCE, quiet=5.0)

TOLD = Share(Order.STOP, Work.DONE, NOW - 20, asked_since=NOW - 21, told_since=NOW - 20)
IDLE = replace(TOLD, jobs=0, idle_since=NOW - 10, idle_until=NOW)
TELLING = Share(Order.STOP, Work.RUNNING, NOW - 1, asked_since=NOW - 1)
NOT_TOLD = Share(Order.STOP, Work.FAILED, NOW - TELL_AGAIN, detail="exit 1", asked_since=NOW - 30)


def worker(share: Share = Share(), **more: object) -> Seen:  # noqa: B008 (frozen)
    since = None if share.order is None else share.asked_since
    return replace(old("i-1"), targets={}, work=share, detached_since=since, **more)  # type: ignore[arg-type]


def successor(**more: object) -> Seen:
    return replace(new("i-9"), targets={}, **more)  # type: ignore[arg-type]


def fleet(one: Seen, *others: Seen, policy: Policy = POLICY, **more: object) -> Observation:
    return seen([slot("s", one, *others, begun=True)], policy=policy, balancers=(), **more)


def moves(here: Observation) -> list[Move]:
    return [move for move in work(here, here.slots) if not isinstance(move, Wait)]


def missing(share: Share, **more: object) -> str | None:
    one = worker(share, **more)
    found = drain_missing(fleet(one), one)
    return found[0] if found is not None else None


def test_it_is_told_first_then_waited_for_and_then_ended() -> None:
    steps = [(Share(), [Drain("i-1")]), (TELLING, []), (TOLD, []), (IDLE, [Terminate("i-1")])]
    for share, expected in steps:
        assert moves(fleet(worker(share), successor())) == expected


def test_one_with_jobs_is_waited_for_until_the_longest_is_over() -> None:
    busy = replace(TOLD, jobs=2)
    assert missing(busy) == "takes no more work; 2 jobs under way"
    assert missing(replace(busy, told_since=NOW - LONGEST)) is None


def test_unknown_is_not_idle() -> None:
    said = missing(TOLD)
    assert said is not None
    assert "not known, so the longest job is waited out" in said
    assert missing(replace(IDLE, jobs=None)) is not None
    assert missing(replace(TOLD, told_since=NOW - LONGEST)) is None


def test_idle_for_a_moment_is_not_idle_for_the_quiet_time() -> None:
    assert missing(replace(IDLE, idle_since=NOW - 4)) == "takes no more work, and has none; making sure"


@pytest.mark.parametrize("share", [Share(), TELLING, NOT_TOLD, replace(NOT_TOLD, asked_since=NOW - 9999)])
@pytest.mark.parametrize("move", [Terminate("i-1"), Update("i-1"), SetAside("i-1")])
def test_the_guard_lets_nobody_end_one_that_is_not_known_to_have_been_told(share: Share, move: Move) -> None:
    allowed, refused = judge(fleet(worker(share, failed="bad"), successor()), [move])
    assert (allowed, len(refused)) == ([], 1)


@given(
    share=st.builds(
        Share,
        order=st.sampled_from([None, *Order]),
        order_work=st.sampled_from(Work),
        asked_since=st.one_of(st.none(), st.floats(NOW - 500, NOW)),
        told_since=st.one_of(st.none(), st.floats(NOW - 500, NOW)),
        jobs=st.one_of(st.none(), st.integers(0, 3)),
        idle_since=st.one_of(st.none(), st.floats(NOW - 500, NOW)),
        idle_until=st.one_of(st.none(), st.floats(NOW - 500, NOW)),
    ),
    heard=st.booleans(),
)
def test_a_healthy_worker_is_never_ended_unless_told_and_idle_or_out_of_time(share: Share, heard: bool) -> None:
    one = worker(share, answer=Answer(ok=True, at=NOW, release="1", heard=heard))
    allowed, _ = judge(fleet(one, successor()), [Terminate("i-1")])
    told = share.order is Order.STOP and share.told_since is not None and share.order_work is not Work.RUNNING
    idle = share.jobs == 0 and share.idle_for() >= POLICY.quiet
    late = told and share.told_since is not None and NOW - share.told_since >= LONGEST
    assert bool(allowed) == (told and (idle or late))


def test_one_that_could_not_be_told_is_told_again_after_a_moment() -> None:
    assert moves(fleet(worker(NOT_TOLD), successor())) == [Drain("i-1")]
    just_now = replace(NOT_TOLD, order_at=NOW - 1)
    here = fleet(worker(just_now), successor())
    [wait] = work(here, here.slots)
    assert isinstance(wait, Wait)
    assert wait.reason == "could not be told to take no more work: exit 1"


def test_one_that_was_heard_to_be_sick_and_cannot_be_told_goes_after_the_longest_job() -> None:
    sick = Answer(ok=False, at=NOW, detail="connection refused")
    assert missing(replace(NOT_TOLD, asked_since=NOW - LONGEST + 1), answer=sick) is not None
    assert missing(replace(NOT_TOLD, asked_since=NOW - LONGEST), answer=sick) is None
    assert missing(replace(NOT_TOLD, asked_since=NOW - LONGEST), answer=replace(sick, heard=False)) is not None
    before = replace(sick, at=NOW - 1)
    assert missing(replace(NOT_TOLD, asked_since=NOW - LONGEST), answer=before) is not None, "it may be well again"


def test_one_that_calls_itself_sick_is_told_too_since_a_job_may_run_on_it() -> None:
    sick = worker(answer=Answer(ok=False, at=NOW))
    assert moves(fleet(sick, successor())) == [Drain("i-1")]


def test_from_the_moment_it_is_told_it_is_out_of_service_until_it_is_known_to_take_work_again() -> None:
    taking = replace(TELLING, order=Order.TAKE)
    for share in (TELLING, TOLD, IDLE, NOT_TOLD, taking):
        one = worker(share)
        here = fleet(one)
        assert not in_service(here, one)
        assert not takes_traffic(here, one)
        assert not is_proven(here, one)
    assert in_service(fleet(worker()), worker())


def test_one_that_is_not_replaced_after_all_is_told_to_take_work_again() -> None:
    here = fleet(worker(IDLE))
    assert settle(here) == [Attach("i-1")]
    back = fleet(worker(replace(IDLE, order_work=Work.RUNNING)))
    [wait] = settle(back)
    assert isinstance(wait, Wait), "two commands on their way could arrive in either order"


def test_the_guard_lets_nobody_tell_it_two_things_at_once() -> None:
    allowed, refused = judge(fleet(worker(TELLING)), [Attach("i-1")])
    assert allowed == []
    assert "the answer is not there yet" in refused[0].because


def test_in_place_it_is_told_to_take_work_again_once_it_serves_the_goal() -> None:
    in_place = replace(POLICY, method=Method.IN_PLACE)
    done = worker(NOT_TOLD, answer=Answer(ok=True, at=NOW, release="2"))
    assert moves(fleet(done, policy=in_place)) == [Attach("i-1")]


def test_hooks_run_before_it_is_told_and_after_it_is_done() -> None:
    points = frozenset({Point.BEFORE_DRAIN, Point.AFTER_DRAIN})
    before, after = Occasion(Point.BEFORE_DRAIN, "i-1"), Occasion(Point.AFTER_DRAIN, "i-1")

    def asked(share: Share, *passed: Occasion) -> list[Occasion | None]:
        rulings = {occasion: Ruling(Verdict.PASS) for occasion in passed}
        here = fleet(worker(share), successor(), hooked=points, rulings=rulings)
        return [move.asks for move in work(here, here.slots) if isinstance(move, Wait)]

    assert asked(Share()) == [before]
    assert asked(IDLE, before) == [after]
    assert asked(IDLE, before, after) == []


def test_one_that_starts_is_told_once_it_runs() -> None:
    starting = replace(worker(), instance=replace(worker().instance, state=InstanceState.PENDING), since=NOW - 1)
    assert drain_missing(fleet(starting), starting) is not None
    stuck = replace(starting, since=NOW - LONGEST)
    assert drain_missing(fleet(stuck), stuck) is None


@pytest.mark.parametrize("sabotage", Sabotage)
def test_a_saboteur_does_not_wait(sabotage: Sabotage) -> None:
    share = Share() if sabotage is Sabotage.NO_DRAIN else TOLD
    one = worker(share)
    assert drain_missing(fleet(one, policy=replace(POLICY, sabotage=sabotage)), one) is None


def test_a_new_worker_that_takes_work_by_itself_is_not_attached() -> None:
    fresh = successor()
    assert is_proven(fleet(worker(IDLE), fresh), fresh)
