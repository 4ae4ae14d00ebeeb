"""The simulated world behaves as AWS does, in the points where a deployer goes wrong."""

from __future__ import annotations

from random import Random

import pytest

from deployer.model.fleet import Balancer, BalancerKind, InstanceState, TargetState
from deployer.sim.faults import Fault
from deployer.sim.groups import Group
from deployer.sim.machines import Fate, Image, Machine
from deployer.sim.rates import Buckets
from deployer.sim.time import History, VirtualTime
from deployer.sim.world import World


def world() -> World:
    made = World(Random(1), Fate)  # noqa: S311 (not for secrets)
    made.images = {"ami-1": Image("1", "digest-1")}
    return made


def group(made: World, kind: BalancerKind, *, delay: float = 60.0, linger: float = 1.0) -> Group:
    balancer = Balancer("lb", "shop", kind, 8080, deregistration_delay=delay, health_interval=10.0)
    found = Group(balancer, made.time, made.random, 2.0, 3, 2, linger=lambda: linger)
    made.groups["lb"] = found
    return found


def booted(made: World) -> Machine:
    machine = made.add(zone="a", image="ami-1", tags={})
    made.start(machine, Fate(pending=1.0, boot=1.0))
    made.time.advance(5.0)
    assert machine.healthy
    return machine


def state(found: Group, machine: Machine) -> TargetState:
    shown = found.history.latest.get(machine.id)
    return shown.state if shown is not None else TargetState.ABSENT


def test_an_instance_is_pending_runs_boots_and_only_then_answers() -> None:
    made = world()
    machine = made.add(zone="a", image="ami-1", tags={})
    made.start(machine, Fate(pending=5.0, boot=20.0))
    assert machine.history.latest is None
    made.time.advance(4.0)
    assert machine.state is InstanceState.PENDING
    made.time.advance(2.0)
    assert machine.state is InstanceState.RUNNING
    assert not machine.healthy
    made.time.advance(20.0)
    assert machine.healthy
    assert machine.app.release == "1"


@pytest.mark.parametrize(
    ("kind", "checks"), [(BalancerKind.ALB, 1), (BalancerKind.NLB, 3), (BalancerKind.CLASSIC, 3)]
)
def test_an_alb_believes_a_new_target_after_one_check_and_the_others_after_their_threshold(
    kind: BalancerKind, checks: int
) -> None:
    made = world()
    found = group(made, kind)
    machine = booted(made)
    found.register(machine)
    assert state(found, machine) is TargetState.INITIAL
    made.time.advance((2.0 + 10.0 * checks) * 0.55)
    assert state(found, machine) is TargetState.INITIAL
    made.time.advance((2.0 + 10.0 * checks) * 0.5)
    assert state(found, machine) is TargetState.HEALTHY


def test_a_sick_target_turns_unhealthy_after_the_threshold_and_healthy_again_after_the_other() -> None:
    made = world()
    found = group(made, BalancerKind.ALB)
    machine = booted(made)
    found.join_healthy(machine)
    made.stop_serving(machine)
    assert state(found, machine) is TargetState.HEALTHY
    made.time.advance(20.0)
    assert state(found, machine) is TargetState.UNHEALTHY
    made.serve(machine, "1", "digest-1", Fate(boot=0.0))
    made.time.advance(10.0)
    assert state(found, machine) is TargetState.UNHEALTHY
    made.time.advance(25.0)
    assert state(found, machine) is TargetState.HEALTHY


def test_draining_is_shown_for_the_whole_delay_however_idle_the_target_is() -> None:
    made = world()
    found = group(made, BalancerKind.ALB, delay=60.0, linger=1.0)
    machine = booted(made)
    found.join_healthy(machine)
    found.deregister(machine)
    made.time.advance(59.0)
    assert made.connections(machine) == 0
    assert state(found, machine) is TargetState.DRAINING
    made.time.advance(2.0)
    assert state(found, machine) is TargetState.ABSENT


@pytest.mark.parametrize(
    ("kind", "left"), [(BalancerKind.ALB, 0), (BalancerKind.CLASSIC, 0), (BalancerKind.NLB, 3)]
)
def test_at_the_end_of_the_delay_connections_are_cut_except_by_an_nlb(kind: BalancerKind, left: int) -> None:
    made = world()
    found = group(made, kind, delay=30.0, linger=500.0)
    machine = booted(made)
    found.join_healthy(machine)
    found.deregister(machine)
    made.time.advance(29.0)
    assert made.connections(machine) == 3
    made.time.advance(2.0)
    assert state(found, machine) is TargetState.ABSENT
    assert made.connections(machine) == left
    found.quieten(machine)
    made.time.advance(3.0)
    assert made.connections(machine) == 0


def test_a_target_that_drains_and_is_registered_again_starts_anew() -> None:
    made = world()
    found = group(made, BalancerKind.ALB, delay=30.0)
    machine = booted(made)
    found.join_healthy(machine)
    found.deregister(machine)
    found.register(machine)
    assert state(found, machine) is TargetState.INITIAL
    made.time.advance(60.0)
    assert state(found, machine) is TargetState.HEALTHY


def test_deregistering_what_is_not_there_is_fine_and_a_stopped_instance_is_unused() -> None:
    made = world()
    found = group(made, BalancerKind.ALB)
    machine = made.add(zone="a", image="ami-1", tags={})
    found.deregister(machine)
    found.register(machine)
    made.time.advance(100.0)
    assert state(found, machine) is TargetState.UNUSED


def test_an_instance_that_ends_leaves_its_balancer_and_the_describes() -> None:
    made = world()
    found = group(made, BalancerKind.ALB)
    machine = booted(made)
    found.join_healthy(machine)
    made.end(machine, lost=True)
    assert machine.history.latest is not None
    assert machine.history.latest.state is InstanceState.SHUTTING_DOWN
    made.time.advance(30.0)
    assert machine.history.latest is None
    assert state(found, machine) is TargetState.ABSENT


def test_what_was_armed_befalls_the_next_instance_and_no_other() -> None:
    made = world()
    made.weather.armed[Fault.WRONG_RELEASE] = 1
    assert [made.updated_fate().release for _ in range(2)] == ["0-wrong", None]
    assert made.weather.reached[Fault.WRONG_RELEASE] == 1


def test_events_happen_in_their_order_and_nothing_happens_in_between() -> None:
    time = VirtualTime()
    seen: list[tuple[float, str]] = []
    time.after(5.0, lambda: seen.append((time.now, "later")))
    time.after(1.0, lambda: time.after(1.0, lambda: seen.append((time.now, "nested"))))
    time.advance(3.0)
    assert seen == [(2.0, "nested")]
    time.advance(3.0)
    assert seen == [(2.0, "nested"), (5.0, "later")]
    assert time.now == 6.0


def test_a_history_shows_what_was_at_that_moment() -> None:
    history = History(0.0, "a")
    history.put(5.0, "b")
    history.put(5.0, "c")
    assert [history.seen(at) for at in (-1.0, 4.9, 5.0, 9.0)] == ["a", "a", "c", "c"]


def test_buckets_give_the_published_burst_and_then_the_refill() -> None:
    time = VirtualTime()
    buckets = Buckets(time)
    assert [buckets.take("RunInstances") for _ in range(6)] == [True] * 5 + [False]
    time.advance(1.0)
    assert [buckets.take("RunInstances") for _ in range(3)] == [True, True, False]
    assert buckets.take("RegisterTargets")
    buckets.empty()
    assert not buckets.take("DeregisterTargets")
