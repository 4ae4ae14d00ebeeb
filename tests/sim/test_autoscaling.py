"""The twin's Auto Scaling group does what the guide says, and the checks notice what a rollout leaves changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployer.engine.result import Status
from deployer.model.outcome import Done, Permanent
from deployer.sim.autoscaling import AutoGroup, Version
from deployer.sim.cloud import SimCloud
from deployer.sim.crashes import kinds
from deployer.sim.faults import Fault
from deployer.sim.final import check_group
from deployer.sim.group_door import SimGroup
from deployer.sim.run import Twin, build

SETUPS = dict(kinds())


def grouped() -> tuple[Twin, AutoGroup]:
    """A fleet of six in a group, and nobody works on it."""
    twin = build(SETUPS["rolling relaunch, in a group"])
    assert twin.auto is not None
    return twin, twin.auto


def door(twin: Twin, auto: AutoGroup) -> SimGroup:
    """The group as a deployer sees it."""
    return SimGroup(SimCloud(twin.world, twin.witness, twin.fuse, twin.buckets), auto)


def test_a_dead_member_is_replaced_by_what_the_group_launches_unless_that_is_suspended() -> None:
    for suspended, replaced in ((set[str](), True), ({"ReplaceUnhealthy"}, False)):
        twin, auto = grouped()
        auto.suspended |= suspended
        first = next(iter(auto.members))
        twin.world.end(twin.world.machines[first], lost=True)
        twin.world.time.advance(120.0)
        assert (first not in auto.members) is replaced
        assert len([one for one in twin.witness.serving() if one.id in auto.members]) == (6 if replaced else 5)


def test_a_member_that_ec2_is_slow_to_run_comes_into_service_once_it_runs() -> None:
    twin, auto = grouped()
    twin.world.weather.until[Fault.NOT_FOUND_AFTER_CREATE] = 60.0
    auto.resize(None, None, auto.desired + 1)
    twin.world.time.advance(200.0)
    assert list(auto.members.values()) == ["InService"] * 7


def test_the_desired_capacity_follows_its_limits_and_the_members_follow_it() -> None:
    _, auto = grouped()
    auto.resize(None, 9, 12)
    assert auto.desired == 9
    auto.world.time.advance(200.0)
    assert list(auto.members.values()) == ["InService"] * 9
    auto.resize(2, 4, None)
    auto.world.time.advance(200.0)
    assert (auto.desired, len(auto.facts().members)) == (4, 4)


def test_ending_a_member_gives_its_place_up_and_attaching_needs_room_below_the_maximum() -> None:
    twin, auto = grouped()
    group = door(twin, auto)
    first, second = list(auto.members)[:2]
    assert isinstance(group.terminate(first), Done)
    assert isinstance(group.terminate(second), Permanent), "the minimum is five"
    assert group.describe().lifecycle(first) == "Terminating"
    twin.world.time.advance(60.0)
    assert not group.describe().lifecycle(first)
    assert auto.desired == len(auto.members) == 5
    strangers = [twin.world.add(zone="a", image="ami-old", tags={}) for _ in range(3)]
    for one in strangers:
        twin.world.settle_in(one)
    outcomes = group.attach([one.id for one in strangers])
    assert [type(outcome) for outcome in outcomes.values()] == [Done, Done, Permanent]
    assert auto.desired == auto.most == 7


def test_a_version_may_be_named_by_what_it_is() -> None:
    _, auto = grouped()
    auto.versions[2] = Version("ami-new", "m5.large", "deployer")
    assert [auto.launches(version).image for version in ("1", "2", "$Latest", "$Default")] == [
        "ami-old",
        "ami-new",
        "ami-new",
        "ami-old",
    ]


def suspend(auto: AutoGroup) -> None:
    """Leaves a process suspended."""
    auto.suspended.add("AZRebalance")


def raise_most(auto: AutoGroup) -> None:
    """Leaves the maximum where a rollout put it."""
    auto.most += 1


def grow(auto: AutoGroup) -> None:
    """Leaves the group larger than it was."""
    auto.desired += 1


def point(auto: AutoGroup) -> None:
    """Leaves the group with an image of another release, in a version of its own."""
    auto.versions[2], auto.version = Version("ami-new", "m5.large"), "2"


def expel(auto: AutoGroup) -> None:
    """Leaves an instance in service that the group knows nothing of."""
    auto.members.popitem()


@pytest.mark.parametrize(
    ("change", "promises"),
    [(suspend, {11}), (raise_most, {11}), (grow, {11}), (point, {11}), (expel, {9})],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_an_orderly_exit_leaves_changed_is_noticed(
    change: Callable[[AutoGroup], None], promises: set[int]
) -> None:
    twin, auto = grouped()
    check_group(twin.witness, auto, Status.FAILED)
    assert twin.witness.violations == []
    change(auto)
    check_group(twin.witness, auto, Status.FAILED)
    assert {one.promise for one in twin.witness.violations} == promises
