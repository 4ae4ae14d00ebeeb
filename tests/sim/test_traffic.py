"""Traffic that a careless count misses: half-closed, on another port, not shown (faults 57 to 59)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deployer.engine.result import Status
from deployer.model.capacity import Amount, limits_for
from deployer.model.fleet import Balancer, BalancerKind
from deployer.model.policy import Method, Policy
from deployer.sim.faults import OF_TRAFFIC, Fault
from deployer.sim.keeping import keep, kept
from deployer.sim.run import Outcome, build, simulate
from deployer.sim.setup import DEADLINES, GroupSetup, Setup, draw

ZONES = ("a", "b")


def fleet(kind: BalancerKind = BalancerKind.ALB, method: Method = Method.IN_PLACE, **more: object) -> Setup:
    """Two instances behind one balancer, in fair weather: every drain has connections for most of its delay."""
    limits = limits_for(
        zones=dict.fromkeys(ZONES, 1),
        batch=Amount(1),
        floor=None,
        surge=None,
        can_surge=method is Method.RELAUNCH,
    )
    balancer = Balancer("lb-0", "balancer-0", kind, 8080, deregistration_delay=60.0, health_interval=5.0)
    group = GroupSetup(balancer, lag=0.5, healthy_threshold=2, unhealthy_threshold=2, long_connections=1.0)
    policy = Policy(method=method, deadlines=DEADLINES)
    setup = Setup(11, ZONES, (group,), "rolling", limits, policy, poll=2.0)
    return replace(setup, **more)  # type: ignore[arg-type]


def on(setup: Setup, *ports: int, own: tuple[int, ...] = ()) -> Setup:
    """The same with the target group on the first of these ports, and the instances on ports of their own."""
    (group,) = setup.groups
    return replace(setup, groups=(replace(group, balancer=replace(group.balancer, port=ports[0]), ports=own),))


TRAITS = {
    "half-closed": fleet(half_closed=1.0),
    "half-closed through an NLB": fleet(BalancerKind.NLB, half_closed=1.0),
    "on another port": on(fleet(), 9080),
    "on a port of their own": on(fleet(), 8080, own=(9081,)),
    "on two ports of their own": on(fleet(), 8080, own=(8080, 9081)),
    "hidden": fleet(hidden=1.0),
    "all of it, relaunched": on(
        fleet(BalancerKind.NLB, Method.RELAUNCH, half_closed=1.0, hidden=0.5), 9080, own=(9081, 9082)
    ),
}


@pytest.mark.parametrize("name", TRAITS)
def test_no_request_is_cut_off_whatever_the_traffic_is_like(name: str) -> None:
    outcome = simulate(TRAITS[name])

    assert outcome.violations == []
    assert outcome.status is Status.SUCCEEDED
    assert outcome.second_changes == 0


def drains(setup: Setup) -> list[float]:
    """Virtual seconds of each drain of a rollout in which next to nothing is in flight when one begins."""
    idle = tuple(replace(group, long_connections=0.0) for group in setup.groups)
    said: list[str] = []
    simulate(replace(setup, groups=idle), said.append)
    began, ended = (
        [float(line.split()[0]) for line in said if word in line] for word in (" drains'", " installs ")
    )
    return [end - begin for begin, end in zip(began, ended, strict=True)]


def test_only_a_host_that_cannot_show_its_connections_costs_the_whole_delay() -> None:
    for setup in (fleet(), on(fleet(), 9080), fleet(half_closed=1.0)):
        assert len(drains(setup)) == 2
        assert max(drains(setup)) < 25.0
    assert min(drains(fleet(hidden=1.0))) >= 60.0


def test_each_trait_is_reached_and_drawn() -> None:
    worlds = {
        Fault.HALF_CLOSED: "half-closed",
        Fault.OTHER_PORT: "on another port",
        Fault.HIDDEN_CONNECTIONS: "hidden",
    }
    assert set(worlds) == OF_TRAFFIC - {Fault.JOB_UNDER_WAY}, "of workers, and shown in test_queues.py"
    assert [fault for fault, name in worlds.items() if fault not in simulate(TRAITS[name]).faults] == []
    drawn = [draw(seed) for seed in range(40)]
    assert any(one.half_closed for one in drawn)
    assert any(one.hidden for one in drawn)
    assert any(group.ports for one in drawn for group in one.groups)
    assert any(group.balancer.port != 8080 for one in drawn for group in one.groups)
    assert not any(group.ports for one in drawn if one.grouped for group in one.groups)


def test_the_witness_sees_a_drain_that_ended_too_early_behind_a_host_that_shows_nothing() -> None:
    twin = build(TRAITS["hidden"])
    machine = next(iter(twin.world.machines.values()))
    twin.world.groups["lb-0"].deregister(machine)

    assert twin.world.sockets(machine) == []
    twin.witness.terminating(machine)

    assert any(one.promise == 4 and "connections open" in one.text for one in twin.witness.violations)


def test_the_witness_sees_an_instance_that_is_left_on_another_port_than_before() -> None:
    def told(outcome: Outcome) -> str:
        return "; ".join(str(one) for one in outcome.violations)

    twin = build(TRAITS["on two ports of their own"])
    machine = next(iter(twin.world.machines.values()))
    twin.world.groups["lb-0"].members[machine.id].ports.discard(9081)
    twin.plan = replace(twin.plan, goal=replace(twin.plan.previous))

    assert f"{machine.id} is left on port 8080 at balancer-0, and was on 8080, 9081" in told(twin.run())


def test_traffic_is_kept_with_a_setup(tmp_path: Path) -> None:
    setup = TRAITS["all of it, relaunched"]

    assert kept(keep(setup, "an example", tmp_path)) == setup
