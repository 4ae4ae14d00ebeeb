"""The witness notices every promise that is broken: a deployer that misbehaves by hand, promise by promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.engine.events import Completed, Failed, Turned
from deployer.engine.ports import LaunchOrder, Registration
from deployer.engine.result import Result, Status
from deployer.model.capacity import Limits
from deployer.model.fleet import Balancer, BalancerKind, Tag
from deployer.model.hosts import Answered, Host, Quieten
from deployer.model.observation import Answer, Stance
from deployer.model.outcome import Done
from deployer.model.policy import Policy
from deployer.sim.cloud import SimCloud
from deployer.sim.crash import CrashPoint, Moment
from deployer.sim.final import check_end, check_rest
from deployer.sim.hosts import SimHosts
from deployer.sim.machines import Fate, Machine
from deployer.sim.run import Twin, build
from deployer.sim.setup import DEADLINES, GroupSetup, Setup, with_split
from deployer.sim.world import FLEET, SECRET


def setup(**more: object) -> Setup:
    """Three instances in two zones behind one ALB, with a floor of two and nothing extra."""
    balancer = Balancer("lb-0", "shop", BalancerKind.ALB, 8080, deregistration_delay=60.0, health_interval=5.0)
    base = Setup(
        seed=1,
        zones=("a", "a", "b"),
        groups=(GroupSetup(balancer, 0.0, 2, 2, long_connections=0.0),),
        strategy="rolling",
        limits=Limits(3, 1, 2, 0, (("a", 1), ("b", 1))),
        policy=Policy(soak=30.0, deadlines=DEADLINES),
        poll=3.0,
    )
    return replace(base, **more)  # type: ignore[arg-type]


def twin_in_charge(**more: object) -> tuple[Twin, SimCloud]:
    """A world whose lease is held, and a cloud to misbehave with; one look was taken."""
    twin = build(setup(**more))
    life = twin.next_life()
    lease = twin.store.acquire(FLEET, life.owner, "", twin.plan.rollout, 60.0, life.clock())
    twin.witness.new_life(lease.epoch)
    cloud = SimCloud(twin.world, twin.witness, twin.fuse, twin.buckets)
    cloud.look()
    return twin, cloud


def broken(twin: Twin) -> set[int]:
    return {violation.promise for violation in twin.witness.violations}


def ids(twin: Twin) -> list[str]:
    return sorted(twin.world.machines)


def order(twin: Twin, again: int = 1, **more: object) -> LaunchOrder:
    tags = {Tag.FLEET: FLEET, Tag.ROLLOUT: twin.plan.rollout, Tag.SLOT: "slot-01", Tag.EPOCH: "1"}
    base = LaunchOrder("slot-01", f"t-{again}", "ami-new", "a", "subnet-a", ids(twin)[0], tags)
    return replace(base, **more)  # type: ignore[arg-type]


def journal(twin: Twin, text: str) -> None:
    twin.shelf.journals.setdefault(FLEET, {})["journal"] = text.encode()


def drained(twin: Twin, cloud: SimCloud, ident: str) -> None:
    cloud.deregister([Registration("lb-0", ident)])
    twin.world.time.advance(70.0)
    cloud.look()


def test_nothing_is_broken_by_one_removal_within_the_floor() -> None:
    twin, cloud = twin_in_charge()
    drained(twin, cloud, ids(twin)[0])
    cloud.terminate([ids(twin)[0]])
    assert broken(twin) == set()


def test_promise_1_two_removals_with_a_floor_of_two_even_before_the_first_is_seen() -> None:
    twin, cloud = twin_in_charge()
    first, second, _ = ids(twin)
    cloud.deregister([Registration("lb-0", first)])
    assert broken(twin) == set()
    cloud.deregister([Registration("lb-0", second)])
    assert 1 in broken(twin)


def test_promise_2_the_last_one_of_a_zone() -> None:
    twin, cloud = twin_in_charge()
    cloud.deregister([Registration("lb-0", ids(twin)[2])])
    assert broken(twin) == {2}


def test_promise_3_one_more_than_size_and_surge() -> None:
    twin, cloud = twin_in_charge()
    journal(twin, "t-1")
    cloud.launch([order(twin)])
    assert broken(twin) == {3}


def test_promise_4_terminated_while_a_balancer_has_it() -> None:
    twin, cloud = twin_in_charge()
    cloud.terminate([ids(twin)[0]])
    assert broken(twin) == {4}


def test_promise_4_terminated_with_requests_in_flight() -> None:
    twin, cloud = twin_in_charge()
    cloud.deregister([Registration("lb-0", ids(twin)[0])])
    cloud.terminate([ids(twin)[0]])
    assert broken(twin) == {4}


def test_promise_5_a_change_after_somebody_else_took_the_fleet() -> None:
    twin, cloud = twin_in_charge()
    twin.dead.add(1)
    twin.store.acquire(FLEET, twin.next_life().owner, "", twin.plan.rollout, 60.0, twin.next_life().clock())
    cloud.deregister([Registration("lb-0", ids(twin)[0])])
    assert broken(twin) == {5}


@pytest.mark.parametrize("missing", [Tag.FLEET, Tag.ROLLOUT, Tag.SLOT, Tag.EPOCH])
def test_promise_6_a_launch_that_does_not_say_whose_it_is(missing: str) -> None:
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 1))
    journal(twin, "t-1")
    tags = {tag: value for tag, value in order(twin).tags.items() if tag != missing}
    cloud.launch([order(twin, tags=tags)])
    assert broken(twin) == {6}


def test_promise_6_a_launch_that_was_not_journaled_first() -> None:
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 1))
    cloud.launch([order(twin)])
    assert broken(twin) == {6}


def test_promise_8_somebody_elses_instance() -> None:
    twin, cloud = twin_in_charge()
    cloud.deregister([Registration("lb-0", next(iter(twin.world.bystanders)))])
    assert 8 in broken(twin)


def test_promise_9_launched_twice_for_one_slot() -> None:
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 3))
    journal(twin, "t-1 t-2")
    cloud.launch([order(twin), order(twin, again=2)])
    assert broken(twin) == {9}


def test_promise_10_attached_without_having_answered() -> None:
    twin, cloud = twin_in_charge()
    ident = ids(twin)[0]
    cloud.deregister([Registration("lb-0", ident)])
    twin.world.time.advance(5.0)
    cloud.register([Registration("lb-0", ident)])
    assert broken(twin) == {10}


def test_promise_11_left_out_of_a_balancer_at_the_end() -> None:
    twin, cloud = twin_in_charge()
    drained(twin, cloud, ids(twin)[0])
    check_rest(twin.witness, twin.world, twin.setup)
    assert broken(twin) == {11}


def test_promise_12_called_done_with_the_old_release() -> None:
    twin, _ = twin_in_charge()
    twin.witness.heard(Completed("slot-01", ids(twin)[0], 1.0))
    assert broken(twin) == {12}


def test_promise_12_ended_with_success_while_the_old_release_is_still_there() -> None:
    twin, _ = twin_in_charge()
    check_end(twin.witness, twin.world, Status.SUCCEEDED, twin.shelf)
    assert broken(twin) == {12}


def test_promise_13_something_new_is_started_after_too_many_failures() -> None:
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 1))
    journal(twin, "t-1")
    twin.witness.heard(Failed(ids(twin)[0], "sick"))
    cloud.launch([order(twin)])
    assert broken(twin) == {13}


def test_promise_13_does_not_hold_the_way_back_up() -> None:
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 1))
    journal(twin, "t-1")
    twin.witness.heard(Failed(ids(twin)[0], "sick"))
    twin.witness.heard(Turned(Stance.ADVANCE, "1 failed", rolling_back=True))
    cloud.launch([order(twin, image="ami-old")])
    assert broken(twin) == set()


def test_promise_14_terminated_while_a_balancer_says_nothing() -> None:
    twin, cloud = twin_in_charge()
    drained(twin, cloud, ids(twin)[0])
    twin.witness.showed(replace(cloud.look(), silent={"lb-0": "throttled"}))
    cloud.terminate([ids(twin)[0]])
    assert 14 in broken(twin)


def test_promise_15_drained_before_its_successor_has_soaked() -> None:
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 1))
    journal(twin, "t-1")
    cloud.launch([order(twin)])
    cloud.deregister([Registration("lb-0", ids(twin)[0])])
    assert broken(twin) == {15}


def soaked_successor() -> tuple[Twin, SimCloud, Machine]:
    """One whose successor has been in service for the soak time, and is seen to be."""
    twin, cloud = twin_in_charge(limits=Limits(3, 1, 2, 1))
    journal(twin, "t-1")
    cloud.launch([order(twin)])
    twin.world.time.advance(60.0)
    successor = next(one for one in twin.world.machines.values() if one.token)
    twin.witness.answered_health(Answered(successor.id, Answer(ok=True, at=60.0, release="2")))
    cloud.register([Registration("lb-0", successor.id)])
    twin.world.time.advance(60.0)
    cloud.look()
    return twin, cloud, successor


def turn_sick(twin: Twin, machine: Machine) -> None:
    twin.world.stop_serving(machine)
    twin.world.time.advance(20.0)


def test_promise_15_drained_though_its_successor_was_seen_to_have_turned_sick() -> None:
    twin, cloud, successor = soaked_successor()
    turn_sick(twin, successor)
    twin.world.time.advance(5.0)
    cloud.look()
    cloud.deregister([Registration("lb-0", ids(twin)[0])])
    assert 15 in broken(twin)


def test_promise_15_asks_nothing_about_a_successor_that_turned_sick_after_the_look() -> None:
    twin, cloud, successor = soaked_successor()
    turn_sick(twin, successor)
    cloud.deregister([Registration("lb-0", ids(twin)[0])])
    assert 15 not in broken(twin)


def test_promise_16_a_resume_keeps_to_the_plan_that_the_rollout_began_with() -> None:
    twin = build(setup(limits=Limits(3, 1, 2, 1), crash=CrashPoint(2, Moment.ANSWERED)))
    assert twin.live() == "killed"
    twin.plan = replace(twin.plan, limits=Limits(3, 3, 0, 3))
    result = twin.live()
    assert isinstance(result, Result)
    assert (result.status, result.floor) == (Status.SUCCEEDED, 2)
    assert broken(twin) == set()


def test_promise_17_a_secret_in_the_journal_or_a_tag() -> None:
    twin, _ = twin_in_charge()
    journal(twin, SECRET)
    check_end(twin.witness, twin.world, Status.FAILED, twin.shelf)
    assert broken(twin) == {17}
    other, _ = twin_in_charge()
    other.world.tag(other.world.machines[ids(other)[0]], {"Note": SECRET})
    check_end(other.witness, other.world, Status.FAILED, other.shelf)
    assert broken(other) == {17}


def test_promise_18_a_change_without_an_audit_record() -> None:
    twin, cloud = twin_in_charge()
    cloud.deregister([Registration("lb-0", ids(twin)[0])])
    check_end(twin.witness, twin.world, Status.FAILED, twin.shelf)
    assert broken(twin) == {18}


def test_promise_19_a_rollout_that_never_ends_and_never_says_why() -> None:
    patient = replace(DEADLINES, boot=1e9, progress=1e9)
    twin = build(setup(limits=Limits(3, 1, 2, 1), policy=Policy(deadlines=patient)))
    twin.world.fate = lambda: Fate(never_answers=True)
    assert twin.live() == "killed"
    assert broken(twin) == {19}


def test_an_answer_that_was_never_given_to_this_process_does_not_count() -> None:
    twin, cloud = twin_in_charge()
    ident = ids(twin)[0]
    twin.witness.answered_health(Answered(ident, Answer(ok=True, at=0.0, release="1")))
    twin.witness.new_life(1)
    cloud.look()
    cloud.deregister([Registration("lb-0", ident)])
    cloud.register([Registration("lb-0", ident)])
    assert broken(twin) == {10}


def test_promises_1_and_2_weights_that_leave_the_traffic_to_nobody() -> None:
    twin, cloud = twin_in_charge_of_two_sides()
    assert isinstance(cloud.weigh({"lb-0": 0, "lb-1": 100}), Done)
    assert broken(twin) == {1, 2}
    assert twin.witness.serving() == []


def test_promise_11_traffic_that_is_left_split() -> None:
    twin, _ = twin_in_charge_of_two_sides()
    assert twin.world.split is not None
    twin.world.split.weights.update({"lb-0": 75, "lb-1": 25})
    check_end(twin.witness, twin.world, Status.ROLLED_BACK, twin.shelf)
    assert broken(twin) == {11}


def twin_in_charge_of_two_sides() -> tuple[Twin, SimCloud]:
    split = with_split(setup())
    return twin_in_charge(groups=split.groups, split=True)


def workers(floor: int) -> tuple[Twin, SimHosts]:
    """Three workers that no balancer sends anything, in one zone, and hosts to misbehave with."""
    twin, _ = twin_in_charge(groups=(), zones=("a",) * 3, limits=Limits(3, 1, floor, 0))
    return twin, SimHosts(twin.world, twin.witness, twin.fuse)


def lame_duck(twin: Twin, ident: str) -> Quieten:
    return Quieten(Host(ident, twin.world.machines[ident].address), ("/opt/web/lame-duck",))


def test_promise_1_a_worker_under_the_floor_is_asked_to_take_no_more_work() -> None:
    twin, hosts = workers(floor=3)
    hosts.submit(lame_duck(twin, ids(twin)[0]))
    assert broken(twin) == {1}


def test_promise_1_a_worker_that_takes_no_more_work_is_out_of_service_for_the_next() -> None:
    twin, hosts = workers(floor=2)
    hosts.submit(lame_duck(twin, ids(twin)[0]))
    twin.world.time.advance(5.0)
    assert not twin.witness.violations
    hosts.submit(lame_duck(twin, ids(twin)[0]))
    assert not twin.witness.violations
    hosts.submit(lame_duck(twin, ids(twin)[1]))
    assert broken(twin) == {1}
