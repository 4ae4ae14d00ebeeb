"""What a dead run left of a fleet's traffic, and what `doctor --undo` does about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from deployer.engine.ports import Registration, Sighting
from deployer.model.fleet import Balancer, BalancerKind, Instance, InstanceState, Tag, Target, TargetState
from deployer.model.observation import Answer
from deployer.model.outcome import Done, Outcome
from deployer.rollout.remedies import Remedies
from deployer.rollout.strays import (
    End,
    Fate,
    Grounds,
    Past,
    PutBack,
    Reweigh,
    Stray,
    TakeOut,
    misplaced,
    split_traffic,
)

BLUE, GREEN, INSIDE = (Balancer(f"tg/{name}", name, BalancerKind.ALB, 80) for name in ("blue", "green", "inside"))
SPLIT = (frozenset({BLUE.id, GREEN.id}),)
HEALTHY, DRAINING = TargetState.HEALTHY, TargetState.DRAINING
ALL_BLUE, QUARTER = {BLUE.id: 100, GREEN.id: 0}, {BLUE.id: 75, GREEN.id: 25}
DEAD = Past({"r-2": Fate.DEAD}, {"r-2": frozenset({"1"})}, had_traffic=BLUE.id)
OPEN = Past({"r-2": Fate.OPEN})


def old(ident: str, **tags: str) -> Instance:
    return Instance(ident, InstanceState.RUNNING, "a", "ami-1", "t3.micro", "10.0.0.1", tags)


def new(ident: str, rollout: str = "r-2", release: str = "2", lifecycle: str = "") -> Instance:
    tags = {Tag.ROLLOUT: rollout, Tag.RELEASE: release}
    return Instance(
        ident, InstanceState.RUNNING, "a", f"ami-{release}", "t3.micro", "10.0.0.2", tags, lifecycle=lifecycle
    )


def fleet(
    instances: Sequence[Instance],
    at: Mapping[Balancer, Mapping[str, TargetState]],
    weights: Mapping[str, int] | None = None,
    past: Past | None = None,
) -> Grounds:
    targets = {item.id: {ident: Target(state) for ident, state in there.items()} for item, there in at.items()}
    sides = SPLIT if weights else ()
    return Grounds(Sighting(tuple(instances), targets, {}, weights or {}), tuple(at), sides, past or Past())


def found(grounds: Grounds) -> list[Stray]:
    return [*split_traffic(grounds), *misplaced(grounds)]


def test_a_split_fleet_at_rest_has_nothing_left_behind() -> None:
    there = {"i-1": HEALTHY, "i-2": HEALTHY}
    assert found(fleet([old("i-1"), old("i-2")], {BLUE: there, GREEN: {}}, ALL_BLUE)) == []
    assert found(fleet([old("i-1"), old("i-2")], {BLUE: there, GREEN: {}, INSIDE: there}, ALL_BLUE)) == []


def test_an_instance_that_was_drained_goes_back_to_its_own_side_and_no_other() -> None:
    drained = fleet([old("i-1"), old("i-2")], {BLUE: {"i-1": HEALTHY, "i-2": DRAINING}, GREEN: {}}, ALL_BLUE)
    [stray] = found(drained)
    assert (stray.subject, stray.remedy) == ("i-2", PutBack((Registration(BLUE.id, "i-2"),)))

    gone = fleet([old("i-1"), old("i-2")], {BLUE: {"i-1": HEALTHY}, GREEN: {}}, ALL_BLUE)
    [stray] = found(gone)
    assert stray.remedy == PutBack((Registration(BLUE.id, "i-2"),))


def test_where_nothing_tells_the_side_nothing_is_done() -> None:
    grounds = fleet([old("i-1"), new("i-9")], {BLUE: {}, GREEN: {"i-9": HEALTHY}}, {BLUE.id: 0, GREEN.id: 100})
    [stray] = found(grounds)
    assert (stray.subject, stray.remedy) == ("i-1", None)
    assert "blue or green" in stray.text
    assert "which side" in stray.text


def test_an_instance_that_a_balancer_outside_of_the_split_has_lost_is_put_back_there() -> None:
    there = {"i-1": HEALTHY, "i-2": HEALTHY}
    grounds = fleet([old("i-1"), old("i-2")], {BLUE: there, GREEN: {}, INSIDE: {"i-1": HEALTHY}}, ALL_BLUE)
    [stray] = found(grounds)
    assert stray.remedy == PutBack((Registration(INSIDE.id, "i-2"),))


def test_what_a_dead_rollout_launched_is_ended_and_never_put_into_service() -> None:
    grounds = fleet([old("i-1"), new("i-9")], {BLUE: {"i-1": HEALTHY}}, past=DEAD)
    [stray] = found(grounds)
    assert stray.remedy == End("i-9")

    [stray] = found(fleet([old("i-1"), new("i-9")], {BLUE: {"i-1": HEALTHY, "i-9": DRAINING}}, past=DEAD))
    assert stray.remedy is None  # first it drains


@pytest.mark.parametrize(
    ("one", "past", "said"),
    [
        (new("i-9"), Past(), "of which no journal here knows"),
        (new("i-9"), OPEN, "which is open"),
        (new("i-9"), Past({"r-2": Fate.DEAD}, kept=frozenset({"i-9"})), "was kept for a look"),
        (new("i-9", lifecycle="InService"), DEAD, "through its group"),
        (old("i-9", **{Tag.ROLLOUT: "r-2", Tag.IN_PLACE: "2", Tag.RELEASE: "2"}), DEAD, "put release 2 on it"),
    ],
    ids=["no journal", "open", "kept", "in a group", "updated in place"],
)
def test_what_is_not_known_to_be_a_dead_rollouts_is_asked_about(one: Instance, past: Past, said: str) -> None:
    [stray] = found(fleet([old("i-1"), one], {BLUE: {"i-1": HEALTHY}}, past=past))
    assert (stray.subject, stray.remedy) == ("i-9", None)
    assert said in stray.text


def test_what_the_way_back_launched_is_of_the_release_before_and_belongs_to_the_fleet() -> None:
    grounds = fleet([old("i-1"), new("i-9", release="1")], {BLUE: {"i-1": HEALTHY}}, past=DEAD)
    assert found(grounds)[0].remedy == PutBack((Registration(BLUE.id, "i-9"),))


def half_shifted(past: Past) -> Grounds:
    """A canary by weight that died with a quarter of the traffic on the new side."""
    at = {BLUE: {"i-1": HEALTHY, "i-2": HEALTHY}, GREEN: {"i-9": HEALTHY}}
    return fleet([old("i-1"), old("i-2"), new("i-9")], at, QUARTER, past)


@pytest.mark.parametrize("past", [DEAD, Past()], ids=["by the journal", "without it"])
def test_the_weights_of_a_dead_rollout_are_a_leftover_and_go_back_to_the_side_before(past: Past) -> None:
    [stray] = found(half_shifted(past))
    assert (stray.kind, stray.subject) == ("weights", "blue and green")
    assert "75 : 25" in stray.text
    assert stray.remedy == Reweigh(((BLUE.id, 100), (GREEN.id, 0)))


def test_weights_that_no_rollout_left_are_told_and_not_changed() -> None:
    at = {BLUE: {"i-1": HEALTHY}, GREEN: {"i-2": HEALTHY}}
    [stray] = found(fleet([old("i-1"), old("i-2")], at, QUARTER))
    assert (stray.kind, stray.remedy) == ("weights", None)


def test_traffic_does_not_go_back_to_a_side_that_cannot_take_it() -> None:
    at = {BLUE: {"i-1": TargetState.UNHEALTHY}, GREEN: {"i-9": HEALTHY}}
    [stray] = found(fleet([old("i-1"), new("i-9")], at, QUARTER, DEAD))
    assert (stray.kind, stray.remedy) == ("weights", None)


def test_once_the_traffic_is_back_what_was_launched_is_taken_out_and_then_ended() -> None:
    at = {BLUE: {"i-1": HEALTHY}, GREEN: {"i-9": HEALTHY}}
    [stray] = found(fleet([old("i-1"), new("i-9")], at, ALL_BLUE, DEAD))
    assert stray.remedy == TakeOut((Registration(GREEN.id, "i-9"),))

    [stray] = found(fleet([old("i-1"), new("i-9")], at, ALL_BLUE))
    assert stray.remedy is None  # nobody here knows the rollout
    assert found(fleet([old("i-1"), new("i-9")], at, ALL_BLUE, OPEN)) == []


def test_an_instance_on_both_sides_is_told_and_left_to_somebody() -> None:
    [stray] = found(fleet([old("i-1")], {BLUE: {"i-1": HEALTHY}, GREEN: {"i-1": HEALTHY}}, ALL_BLUE))
    assert (stray.subject, stray.remedy) == ("i-1", None)
    assert "blue and green" in stray.text


def test_a_balancer_that_does_not_answer_says_nothing() -> None:
    targets = {BLUE.id: {"i-1": Target(TargetState.UNKNOWN)}}
    assert found(Grounds(Sighting((old("i-1"),), targets, {BLUE.id: "throttled"}), (BLUE,), ())) == []


class Recorder:
    """A cloud that does as it is told, and remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []

    def register(self, items: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        self.calls.append(("register", tuple(items)))
        return {item: Done(None) for item in items}

    def deregister(self, items: Sequence[Registration]) -> Mapping[Registration, Outcome[None]]:
        self.calls.append(("deregister", tuple(items)))
        return {item: Done(None) for item in items}

    def terminate(self, items: Sequence[str]) -> Mapping[str, Outcome[None]]:
        self.calls.append(("terminate", tuple(items)))
        return {item: Done(None) for item in items}

    def weigh(self, weights: Mapping[str, int]) -> Outcome[None]:
        self.calls.append(("weigh", dict(weights)))
        return Done(None)


@pytest.mark.parametrize(("ok", "done"), [(True, True), (False, False), (None, False)])
def test_nothing_sick_or_silent_is_put_back(ok: bool | None, done: bool) -> None:
    cloud, again = Recorder(), Registration(BLUE.id, "i-1")
    answers = {"i-1": Answer(ok=ok, at=0.0)} if ok is not None else {}
    remedies = Remedies(cloud, lambda: answers)  # type: ignore[arg-type]
    assert remedies.apply(Stray("instance", "i-1", "", PutBack((again,)))) is done
    assert cloud.calls == ([("register", (again,))] if done else [])


def test_each_remedy_makes_its_one_call_and_a_drain_is_not_over_with_it() -> None:
    cloud, there = Recorder(), Registration(GREEN.id, "i-9")
    remedies = Remedies(cloud, dict)  # type: ignore[arg-type]
    applied = [
        remedies.apply(Stray("", "i-9", "", remedy))
        for remedy in (Reweigh(((BLUE.id, 100),)), TakeOut((there,)), End("i-9"), None)
    ]
    assert applied == [True, False, True, False]
    assert cloud.calls == [("weigh", {BLUE.id: 100}), ("deregister", (there,)), ("terminate", ("i-9",))]


def on_ports(ports: Mapping[str, tuple[int, ...]], *instances: Instance, past: Past | None = None) -> Grounds:
    """A fleet behind one target group, whose instances are registered there with these ports."""
    targets = {BLUE.id: {ident: Target(HEALTHY, ports=own) for ident, own in ports.items()}}
    return Grounds(Sighting(instances, targets, {}, {}), (BLUE,), (), past or Past())


def test_an_instance_goes_back_onto_the_ports_that_a_journal_has_of_it() -> None:
    past = Past(ports={"i-2": {BLUE.id: (9080, 9081)}})
    [stray] = found(on_ports({"i-1": ()}, old("i-1"), old("i-2"), past=past))
    assert stray.remedy == PutBack((Registration(BLUE.id, "i-2", 9080), Registration(BLUE.id, "i-2", 9081)))


def test_a_successor_goes_back_onto_the_ports_of_its_place() -> None:
    one = old("i-9", **{Tag.ROLLOUT: "r-1", Tag.SLOT: "slot-2"})
    past = Past({"r-1": Fate.SUCCEEDED}, ports={"r-1/slot-2": {BLUE.id: (9080,)}})
    [stray] = found(on_ports({"i-1": ()}, old("i-1"), one, past=past))
    assert stray.remedy == PutBack((Registration(BLUE.id, "i-9", 9080),))


def test_without_a_journal_an_instance_is_registered_as_all_others_are() -> None:
    [stray] = found(on_ports({"i-1": (9080,), "i-3": (9080,)}, old("i-1"), old("i-2"), old("i-3")))
    assert stray.remedy == PutBack((Registration(BLUE.id, "i-2", 9080),))


def test_where_the_others_have_different_ports_nothing_is_guessed() -> None:
    [stray] = found(on_ports({"i-1": (9080,), "i-3": ()}, old("i-1"), old("i-2"), old("i-3")))
    assert stray.remedy is None
    assert "register it with blue by hand" in stray.text
