"""Every port that a balancer sends to is watched, and instances go back onto the ports that they had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deployer.engine.act import Actuator
from deployer.engine.asking import questions
from deployer.engine.memory import Memory
from deployer.engine.observe import Observer
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Record, Registration, Sighting
from deployer.engine.replay import replay
from deployer.model.fleet import Balancer, BalancerKind, Target, TargetState
from deployer.model.hosts import Count, Counted, Host, Package, PutRelease, Worked
from deployer.model.methods import work
from deployer.model.moves import Attach, Drain
from deployer.model.observation import Answer, Observation, Seen, Work
from deployer.model.outcome import Done, Outcome
from deployer.model.policy import Policy
from tests.builders import in_place, instance, planned

WEB = Balancer("tg/web", "web", BalancerKind.ALB, 8080, deregistration_delay=120.0)
OLD_WEB = Balancer("old-web", "old-web", BalancerKind.CLASSIC, 80, deregistration_delay=60.0, more_ports=(443,))
OWN = (9080, 9081)
"""The ports that the fleet's instances are registered with at `web`, instead of the group's own."""


@dataclass
class Cloud:
    """Keeps what is registered and deregistered; everything succeeds."""

    asked: list[tuple[str, Registration]] = field(default_factory=list)

    def register(self, wanted: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        self.asked += [("in", one) for one in wanted]
        return {one: Done(None) for one in wanted}

    def deregister(self, wanted: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        self.asked += [("out", one) for one in wanted]
        return {one: Done(None) for one in wanted}


@dataclass
class Turn:
    """A rollout of two instances, look by look."""

    plan: RolloutPlan
    memory: Memory
    cloud: Cloud = field(default_factory=Cloud)
    now: float = 100.0

    def look(self, targets: Mapping[str, Mapping[str, Target]], *ids: str) -> Observation:
        self.now += 1.0
        there = tuple(instance(one) for one in ids or ("i-0", "i-1"))
        return Observer(self.plan, self.memory).observe(Sighting(there, targets), self.now)

    def carry_out(self, seen: Observation, *moves: Attach | Drain) -> list[tuple[str, Registration]]:
        self.cloud.asked.clear()
        hand = Actuator(
            plan=self.plan,
            memory=self.memory,
            cloud=self.cloud,  # type: ignore[arg-type]
            hosts=None,  # type: ignore[arg-type]
            journal=_Journal(),  # type: ignore[arg-type]
            lease=_Lease(),  # type: ignore[arg-type]
            clock=_Clock(self.now),  # type: ignore[arg-type]
            watch=lambda _event: None,
            package=lambda _name: None,
        )
        hand.carry_out(seen, moves)
        return list(self.cloud.asked)

    def counted(self, connections: int | None, at: float, shown: frozenset[int] = frozenset()) -> None:
        Observer(self.plan, self.memory).take_in((Counted("i-0", connections, at, shown=shown),), self.now)


class _Journal:
    def append(self, kind: str, subject: str, data: Mapping[str, object]) -> None:
        """Keeps nothing."""


class _Lease:
    epoch = 1

    def heartbeat(self) -> None:
        """Nothing expires."""

    def still_held(self) -> bool:
        return True


@dataclass
class _Clock:
    time: float

    def now(self) -> float:
        return self.time


def turn(
    *balancers: Balancer, policy: Policy | None = None, ports: Mapping[str, tuple[int, ...]] | None = None
) -> Turn:
    plan = planned("i-0", "i-1", balancers=balancers or (WEB,), policy=policy or Policy())
    slots = tuple(replace(one, ports=tuple((ports or {}).items())) for one in plan.slots)
    plan = replace(plan, slots=slots)
    return Turn(plan, Memory(plan.goal, plan.previous))


def healthy(*ports: int) -> Target:
    return Target(TargetState.HEALTHY, ports=ports)


def both(target: Target, balancer: Balancer = WEB) -> Mapping[str, Mapping[str, Target]]:
    return {balancer.id: {"i-0": target, "i-1": target}}


def one(seen: Observation) -> Seen:
    return seen.by_id["i-0"][1]


# -- watching ----------------------------------------------------------------------------------------


def test_the_ports_of_all_balancers_and_of_the_instances_own_registrations_are_watched() -> None:
    made = turn(WEB, OLD_WEB)
    seen = made.look({**both(healthy(*OWN)), **both(healthy(), OLD_WEB)})

    assert one(seen).sent_to == {80, 443, *OWN}
    made.carry_out(seen, Drain("i-0"))
    drained = made.look({**both(Target(TargetState.ABSENT)), **both(Target(TargetState.ABSENT), OLD_WEB)})
    assert one(drained).sent_to == {80, 443, *OWN}, "also after they are no longer listed"
    (count,) = [task for task in questions(drained) if isinstance(task, Count)]
    assert set(count.ports) == {80, 443, *OWN}


def test_a_process_that_finds_an_instance_drained_watches_the_ports_that_were_planned() -> None:
    drained = turn(ports={WEB.id: OWN}).look(both(Target(TargetState.ABSENT)))

    assert one(drained).sent_to == set(OWN)


def test_a_target_that_is_seen_draining_on_a_port_of_its_own_is_watched_there() -> None:
    assert one(turn().look(both(Target(TargetState.DRAINING, ports=(9443,))))).sent_to == {9443}


def test_a_host_is_asked_before_its_drain_until_it_has_shown_a_connection() -> None:
    made = turn()
    seen = made.look(both(healthy()))
    assert not [task for task in questions(seen) if isinstance(task, Count)], "its turn has not come"

    made.memory.begin("slot-0", made.now)
    (count,) = [task for task in questions(made.look(both(healthy()))) if isinstance(task, Count)]
    assert count == Count(Host.of(instance("i-0")), (8080,), (8080,))

    made.counted(3, made.now, frozenset({8080}))
    assert not [task for task in questions(made.look(both(healthy()))) if isinstance(task, Count)]


# -- quiet -------------------------------------------------------------------------------------------


@pytest.fixture
def draining() -> Turn:
    """`i-0` drains since 101 s; its host has shown connections before."""
    made = turn()
    seen = made.look(both(healthy()))
    made.counted(2, made.now, frozenset({8080}))
    made.carry_out(seen, Drain("i-0"))
    return made


def after(made: Turn) -> Seen:
    return one(made.look({WEB.id: {"i-0": Target(TargetState.DRAINING), "i-1": healthy()}}))


def test_none_for_the_quiet_time_is_asked_for_at_both_of_its_ends(draining: Turn) -> None:
    draining.counted(0, 101.0)
    draining.now += 20.0
    assert after(draining).quiet_until == 101.0, "nobody asked since"
    draining.counted(0, draining.now)
    assert after(draining).quiet_until == draining.now - 1.0


def test_what_a_host_told_before_its_drain_began_says_nothing_of_it(draining: Turn) -> None:
    draining.counted(0, 100.5)

    assert after(draining).quiet_since is None


@pytest.mark.parametrize("told", [1, None])
def test_one_connection_or_no_answer_starts_the_quiet_time_again(draining: Turn, told: int | None) -> None:
    draining.counted(0, 102.0)
    draining.counted(told, 103.0)

    assert (after(draining).quiet_since, after(draining).quiet_until) == (None, None)
    assert after(draining).reachable is (told is not None)


def test_a_connection_that_is_seen_in_the_drain_shows_that_the_host_can_tell() -> None:
    made = turn()
    made.carry_out(made.look(both(healthy())), Drain("i-0"))
    assert after(made).unproven == {8080}

    made.counted(1, made.now, frozenset({8080}))

    assert after(made).unproven == frozenset()


def test_what_was_shown_before_an_installation_says_nothing_of_what_serves_after_it(draining: Turn) -> None:
    """The new release may run in a container, where the old one did not."""
    put = PutRelease(Host.of(instance("i-0")), Package("2", "digest-2", Path("release.tar.gz")), "d")
    Observer(draining.plan, draining.memory).take_in((Worked(put, Work.DONE),), draining.now)
    draining.counted(2, draining.now - 1.0, frozenset({8080}))

    assert after(draining).unproven == {8080}


# -- registering -------------------------------------------------------------------------------------


def test_an_instance_leaves_and_returns_by_all_of_its_own_ports() -> None:
    made = turn()
    out = made.carry_out(made.look(both(healthy(*OWN))), Drain("i-0"))
    back = made.carry_out(made.look(both(Target(TargetState.ABSENT))), Attach("i-0"))

    assert out == [("out", Registration(WEB.id, "i-0", port)) for port in OWN]
    assert back == [("in", Registration(WEB.id, "i-0", port)) for port in OWN]


def test_one_on_the_groups_own_port_is_registered_without_a_port() -> None:
    made = turn()
    made.carry_out(made.look(both(healthy())), Drain("i-0"))
    back = made.carry_out(made.look(both(Target(TargetState.ABSENT))), Attach("i-0"))

    assert back == [("in", Registration(WEB.id, "i-0", None))]


def test_what_leaves_port_by_port_returns_whole() -> None:
    """A look may show the first deregistration without the second."""
    made = turn()
    made.carry_out(made.look(both(healthy(*OWN))), Drain("i-0"))
    made.look(both(healthy(OWN[1])))
    back = made.carry_out(made.look(both(Target(TargetState.ABSENT))), Attach("i-0"))

    assert [registration.port for _, registration in back] == list(OWN)


@pytest.mark.parametrize("ports", [{}, {WEB.id: OWN}])
def test_a_successor_takes_the_ports_of_the_place_that_it_takes(ports: Mapping[str, tuple[int, ...]]) -> None:
    made = turn(ports=ports)
    made.look(both(healthy(*OWN)))
    made.memory.launched("slot-0", instance("i-9", image="ami-2"), made.now)
    seen = made.look(both(healthy(*OWN)), "i-0", "i-1", "i-9")

    assert made.carry_out(seen, Attach("i-9")) == [("in", Registration(WEB.id, "i-9", port)) for port in OWN]


@pytest.mark.parametrize(("second", "expected"), [(OWN, list(OWN)), ((), [None])])
def test_a_successor_of_one_that_no_balancer_had_takes_the_ports_that_all_planned_ones_share(
    second: tuple[int, ...], expected: list[int | None]
) -> None:
    """Somebody else launched it in mid-rollout: its place was not planned, and shows no ports of its own."""
    made = turn(ports={WEB.id: OWN})
    first, other = made.plan.slots[0], made.plan.slots[1]
    made.plan = replace(made.plan, slots=(first, replace(other, ports=((WEB.id, second),) if second else ())))
    made.memory.launched("i-6", instance("i-9", image="ami-2"), made.now)
    seen = made.look(both(healthy(*OWN)), "i-0", "i-1", "i-9")

    assert made.carry_out(seen, Attach("i-9")) == [("in", Registration(WEB.id, "i-9", port)) for port in expected]


def test_a_process_that_died_in_between_leaves_the_ports_in_the_plan() -> None:
    made = turn(ports={WEB.id: OWN})
    drain = {"moves": [{"move": "Drain", "instance": "i-0"}]}
    made.memory = replay([Record(1, 0.0, "r", 1, "intent", "tick", drain)], made.plan, 0.0)
    back = made.carry_out(made.look(both(Target(TargetState.DRAINING, ports=OWN[1:]))), Attach("i-0"))

    assert [registration.port for _, registration in back] == list(OWN)


def test_one_that_was_registered_on_some_of_its_ports_is_not_in_service_and_gets_the_rest() -> None:
    made = turn(policy=in_place())
    made.carry_out(made.look(both(healthy(*OWN))), Drain("i-0"))
    made.carry_out(made.look(both(Target(TargetState.ABSENT))), Attach("i-0"))
    made.memory.facts("i-0").asked = None
    made.memory.facts("i-0").answer = Answer(ok=True, at=made.now, release="2")
    for _ in range(3):
        seen = made.look({WEB.id: {"i-0": healthy(OWN[0]), "i-1": healthy(*OWN)}})

    assert one(seen).lacking == {WEB.id}
    moves = work(seen, [seen.by_name["slot-0"]])
    assert moves == [Attach("i-0")]
    assert made.carry_out(seen, Attach("i-0"))[-1] == ("in", Registration(WEB.id, "i-0", OWN[1]))
    whole = made.look(both(healthy(*OWN)))
    assert one(whole).lacking == frozenset()


def test_what_an_operator_changes_before_the_rollout_comes_to_it_stays_so() -> None:
    made = turn(ports={WEB.id: OWN})
    made.look(both(healthy(*OWN)))
    made.carry_out(made.look(both(healthy(7000))), Drain("i-0"))
    back = made.carry_out(made.look(both(Target(TargetState.ABSENT))), Attach("i-0"))

    assert back == [("in", Registration(WEB.id, "i-0", 7000))]


def test_the_ports_outlive_the_journal() -> None:
    plan = turn(WEB, OLD_WEB, ports={WEB.id: OWN}).plan

    assert RolloutPlan.from_json(plan.to_json()) == plan
    assert plan.ports_of("slot-0", WEB.id) == OWN
    assert plan.ports_of("slot-0", OLD_WEB.id) == ()


def test_a_plan_of_an_earlier_version_has_no_ports() -> None:
    data = turn().plan.to_json()
    for slot in data["slots"]:
        del slot["ports"]
    for balancer in data["balancers"]:
        del balancer["more_ports"], balancer["datagrams"]

    assert RolloutPlan.from_json(data) == turn().plan
