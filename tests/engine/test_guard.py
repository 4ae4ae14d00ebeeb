"""The guard, promise by promise: each test fails when its rule is removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.engine.asking import THROUGHOUT
from deployer.engine.guard import judge
from deployer.model.fleet import Target, TargetState
from deployer.model.moves import Attach, Drain, GiveUp, Launch, Move, SetAside, Terminate, Update
from deployer.model.observation import Observation
from deployer.model.occasions import Occasion, Point, Ruling, Verdict
from deployer.model.policy import Policy
from deployer.model.service import count
from tests.builders import BALANCER, in_place, new, old, quiet, seen, slot


def refusal(observation: Observation, *moves: Move) -> tuple[int, str]:
    """The promise and inequality of the last move, which must be refused."""
    _, refused = judge(observation, moves)
    assert refused, "the guard let everything through"
    assert refused[-1].move == moves[-1]
    return refused[-1].promise, refused[-1].because


def test_promise_1_a_drain_under_the_floor_is_refused_with_its_numbers() -> None:
    fleet = seen([slot(str(n), old(f"i-{n}")) for n in range(3)], floor=2)
    promise, because = refusal(fleet, Drain("i-0"), Drain("i-1"))
    assert promise == 1
    assert because == "3 in service - 1 leaving - 1 = 1 < floor 2"


def test_promise_1_a_removal_asked_for_and_not_yet_seen_is_already_counted() -> None:
    fleet = seen(
        [slot("0", old("i-0", expecting="asked to drain")), slot("1", old("i-1")), slot("2", old("i-2"))], floor=2
    )
    assert refusal(fleet, Drain("i-1"))[0] == 1


def test_promise_1_an_instance_that_is_not_in_service_costs_nothing() -> None:
    fleet = seen([slot("0", old("i-0", TargetState.UNHEALTHY)), slot("1", old("i-1"))], floor=1)
    assert judge(fleet, [Drain("i-0")])[0] == [Drain("i-0")]


def test_promise_2_a_zone_never_goes_under_its_floor() -> None:
    fleet = seen(
        [slot("0", old("i-0", zone="a")), slot("1", old("i-1", zone="b")), slot("2", old("i-2", zone="b"))],
        zone_floor={"a": 1, "b": 1},
    )
    assert refusal(fleet, Drain("i-0"))[0] == 2
    assert judge(fleet, [Drain("i-1")])[0] == [Drain("i-1")]


def test_promise_3_launches_of_unknown_outcome_count_as_alive() -> None:
    fleet = seen([slot("0", old("i-0"), launching=1), slot("1", old("i-1"))], surge=1)
    assert refusal(fleet, Launch("1"))[0] == 3


def test_promise_4_nothing_is_terminated_while_a_balancer_has_it() -> None:
    fleet = seen([slot("0", old("i-0", TargetState.UNHEALTHY))])
    promise, because = refusal(fleet, Terminate("i-0"))
    assert promise == 4
    assert "still registered with shop" in because


def test_promise_4_draining_is_not_drained_before_the_host_is_quiet() -> None:
    draining = old("i-0", TargetState.DRAINING, detached_since=990.0)
    fleet = seen([slot("0", draining)], policy=in_place())
    assert refusal(fleet, Update("i-0"))[0] == 4
    busy = seen([slot("0", replace(quiet(draining), quiet_since=None, connections=3))], policy=in_place())
    assert refusal(busy, Update("i-0"))[0] == 4
    done = seen([slot("0", quiet(draining))], policy=in_place())
    assert judge(done, [Update("i-0")])[0] == [Update("i-0")]


def test_promise_4_holds_for_every_balancer_not_only_the_first() -> None:
    other = replace(BALANCER, id="tg/second", name="second")
    half = quiet(old("i-0", TargetState.ABSENT))
    half = replace(half, targets={**half.targets, other.id: Target(TargetState.HEALTHY)})
    fleet = seen([slot("0", half)], balancers=(BALANCER, other))
    assert "second" in refusal(fleet, Terminate("i-0"))[1]


def test_promise_8_what_does_not_belong_to_the_fleet_is_not_touched() -> None:
    fleet = seen([slot("0", old("i-0"))], surge=5)
    for move in (Drain("i-other"), Terminate("i-other"), Launch("no-such-slot")):
        assert refusal(fleet, move)[0] == 8


def test_promise_10_nothing_that_does_not_answer_is_attached() -> None:
    silent = new("i-9", TargetState.ABSENT, answer=None)
    assert refusal(seen([slot("0", silent)]), Attach("i-9"))[0] == 10
    given_up = new("i-9", TargetState.ABSENT, failed="never healthy")
    assert refusal(seen([slot("0", given_up)]), Attach("i-9"))[0] == 10


def test_promise_13_after_too_many_failures_nothing_new_is_started_but_going_back_is() -> None:
    slots = [slot("0", old("i-0")), slot("1", old("i-1"))]
    failed = seen(slots, surge=2, failures=1)
    assert refusal(failed, Launch("0"))[0] == 13
    assert refusal(failed, Drain("i-0"))[0] == 13
    assert judge(replace(failed, rolling_back=True), [Launch("0")])[0] == [Launch("0")]


@pytest.mark.parametrize(
    ("occasion", "refused"), [(THROUGHOUT, True), (Occasion(Point.BEFORE_ATTACH, "i-1"), False)]
)
def test_promise_13_an_alarm_stops_new_starts_and_the_failure_of_one_new_instance_does_not(
    occasion: Occasion, refused: bool
) -> None:
    slots = [slot("0", old("i-0")), slot("1", old("i-1"))]
    said = {occasion: Ruling(Verdict.FAIL, "too many errors")}
    alarmed = seen(slots, surge=2, hooked=frozenset({occasion.point}), rulings=said)
    expected = [(13, "throughout: too many errors")] if refused else []
    assert [(one.promise, one.because) for one in judge(alarmed, [Launch("0")])[1]] == expected
    assert judge(replace(alarmed, rolling_back=True), [Launch("0")])[0] == [Launch("0")]


def test_promise_14_unknown_health_is_not_dead() -> None:
    unknown = quiet(old("i-0", TargetState.UNKNOWN))
    assert refusal(seen([slot("0", unknown)]), Terminate("i-0"))[0] == 14


def test_promise_14_unknown_health_is_not_healthy_either() -> None:
    fleet = seen([slot("0", old("i-0", TargetState.UNKNOWN)), slot("1", old("i-1"))], floor=1)
    assert refusal(fleet, Drain("i-1"))[0] == 1


def test_promise_1_what_is_given_up_on_in_this_tick_counts_no_more() -> None:
    fleet = seen([slot("0", old("i-0")), slot("1", new("i-1"))], floor=1)
    fleet = replace(fleet, policy=Policy(max_failures=1))
    assert judge(fleet, [Drain("i-0")])[0] == [Drain("i-0")]
    because = "1 in service - 0 leaving - 1 = 0 < floor 1"
    assert refusal(fleet, GiveUp("i-1", "answers with release 3"), Drain("i-0")) == (1, because)
    assert judge(fleet, [Drain("i-0"), GiveUp("i-1", "sick")])[0] == [GiveUp("i-1", "sick")]


def test_promise_1_an_untouched_instance_serves_on_though_it_is_given_up_on() -> None:
    fleet = seen([slot("0", old("i-0")), slot("1", old("i-1"))], floor=1, policy=Policy(max_failures=1))
    assert not judge(fleet, [GiveUp("i-0", "its host cannot be reached"), Drain("i-1")])[1]


@pytest.mark.parametrize("leaves", ["asked before", "asked in this tick"])
def test_promise_15_a_successor_that_is_being_taken_out_again_lets_nobody_go(leaves: str) -> None:
    successor = new("i-1", expecting="asked to drain; not seen yet" if leaves == "asked before" else None)
    fleet = seen([slot("0", old("i-0"), successor, begun=True), slot("1", old("i-2")), slot("2", old("i-3"))])
    first = [Drain("i-1")] if leaves == "asked in this tick" else []
    assert refusal(fleet, *first, Drain("i-0"))[0] == 15


def test_promise_15_old_capacity_stays_until_its_successor_has_soaked() -> None:
    policy = Policy(soak=30.0)
    young = new("i-9", in_service_since=990.0)
    fleet = seen([slot("0", old("i-0"), young), slot("1", old("i-1"))], policy=policy)
    assert refusal(fleet, Drain("i-0"))[0] == 15
    ripe = seen([slot("0", old("i-0"), new("i-9", in_service_since=960.0))], policy=policy)
    assert judge(ripe, [Drain("i-0")])[0] == [Drain("i-0")]


def test_fault_7_nothing_is_asked_of_an_instance_before_the_last_request_is_seen() -> None:
    fleet = seen([slot("0", old("i-0", expecting="asked to drain; not seen yet"))])
    assert refusal(fleet, Drain("i-0"))[0] == 9
    launching = seen([slot("0", launching=1)], surge=5)
    assert refusal(launching, Launch("0"))[0] == 9
    assert refusal(seen([slot("0", old("i-0"))], surge=5), Launch("0"), Launch("0"))[0] == 9


targets = st.sampled_from(list(TargetState))


@st.composite
def fleets(draw: st.DrawFn) -> Observation:
    """Fleets in every state, possible or not."""
    size = draw(st.integers(1, 8))
    slots = []
    for n in range(size):
        zone = draw(st.sampled_from("abc"))
        occupants = [old(f"i-{n}", draw(targets), zone=zone)] if draw(st.booleans()) else []
        if draw(st.booleans()):
            occupants.append(new(f"i-{n}-new", draw(targets), zone=zone))
        slots.append(slot(str(n), *occupants, zone=zone, begun=draw(st.booleans())))
    return seen(
        slots,
        floor=draw(st.integers(0, size)),
        surge=draw(st.integers(0, 3)),
        zone_floor={zone: draw(st.integers(0, 2)) for zone in "abc"},
    )


@st.composite
def requests(draw: st.DrawFn, fleet: Observation) -> list[Move]:
    """Anything a strategy, however wrong, could ask for."""
    ids = [one.id for _, one in fleet.instances()] or ["i-none"]
    kinds: list[type[Attach] | type[Drain] | type[Terminate] | type[Update]] = [Attach, Drain, Terminate, Update]
    moves: list[Move] = [
        draw(st.sampled_from(kinds))(draw(st.sampled_from(ids))) for _ in range(draw(st.integers(0, 12)))
    ]
    moves += [Launch(draw(st.sampled_from(fleet.slots)).name) for _ in range(draw(st.integers(0, 6)))]
    return draw(st.permutations(moves))


@given(st.data())
def test_law_whatever_is_asked_for_floor_zone_floor_and_surge_hold_afterwards(data: st.DataObject) -> None:
    fleet = data.draw(fleets())
    allowed, _ = judge(fleet, data.draw(requests(fleet)))
    before = count(fleet)
    leaving = {m.instance for m in allowed if isinstance(m, Drain | Terminate | Update)}
    lost = [
        one for _, one in fleet.instances() if one.id in leaving and one.in_service_since and one.healthy_everywhere
    ]
    assert not lost or before.in_service - len(lost) >= fleet.limits.floor
    for zone, floor in fleet.limits.zone_floor:
        gone = sum(1 for one in lost if one.instance.zone == zone)
        assert not gone or before.by_zone.get(zone, 0) - gone >= floor
    launches = sum(isinstance(m, Launch) for m in allowed)
    assert not launches or before.alive + launches <= len(fleet.slots) + fleet.limits.surge


@pytest.mark.parametrize("move", [Terminate, Update])
@given(data=st.data())
def test_law_nothing_that_a_balancer_still_has_is_terminated_or_changed(
    move: type[Terminate] | type[Update], data: st.DataObject
) -> None:
    fleet = data.draw(fleets())
    allowed, _ = judge(fleet, [move(one.id) for _, one in fleet.instances()])
    for done in allowed:
        assert isinstance(done, Terminate | Update)
        one = fleet.find(done.instance)
        assert one is not None
        assert (
            all(t.state in (TargetState.ABSENT, TargetState.UNUSED) for t in one.targets.values())
            or one.quiet_since
        )


def test_promise_4_what_is_kept_is_as_drained_as_what_is_terminated() -> None:
    fleet = seen([slot("0", new("i-0", failed="sick")), slot("1", old("i-1"))])
    assert refusal(fleet, SetAside("i-0")) == (4, "i-0 is not drained: still registered with shop")
    drained = quiet(new("i-0", TargetState.ABSENT, failed="sick"))
    assert judge(seen([slot("0", drained), slot("1", old("i-1"))]), [SetAside("i-0")]) == ([SetAside("i-0")], [])


def test_promise_9_only_what_failed_leaves_the_fleet_and_runs_on() -> None:
    fleet = seen([slot("0", quiet(new("i-0", TargetState.ABSENT))), slot("1", old("i-1"))])
    assert refusal(fleet, SetAside("i-0")) == (9, "i-0 has not failed")


def test_promise_14_what_is_unknown_is_not_set_aside() -> None:
    fleet = seen([slot("0", quiet(new("i-0", TargetState.UNKNOWN, failed="sick"))), slot("1", old("i-1"))])
    assert refusal(fleet, SetAside("i-0"))[0] == 14
