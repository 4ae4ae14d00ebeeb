"""A whole bake in virtual time: what comes of it, and what is left when it goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.bake.errors import BakeFailed, BakeInterrupted
from deployer.bake.order import CLEAN_TAG, BakeDeadlines
from deployer.engine.events import Baking, Noted
from deployer.model.errors import AwsError, ExitCode, StateUnavailable
from deployer.model.fleet import Tag
from deployer.model.outcome import Permanent, Unknown
from tests.bake.world import Crash, World, an_order

CHANGES = ["launch_builder", "mark_clean", "stop", "snapshot", "register", "terminate"]
"""The mutating calls of a bake without trouble, in order."""


@pytest.fixture
def world() -> World:
    return World()


def test_a_bake_makes_one_image_and_leaves_nothing_else(world: World) -> None:
    image = world.bake()

    assert world.cloud.calls == CHANGES
    assert world.is_settled(image)
    assert len(image.snapshots) == len(world.cloud.volumes)
    assert not image.adopted
    assert image.seconds > 0


def test_the_release_is_installed_checked_and_cleaned_before_the_builder_is_stopped(world: World) -> None:
    world.bake()

    assert world.host.done == ["install i-b0", "check i-b0", "clean i-b0"]
    assert CLEAN_TAG in world.cloud.builders["i-b0"].tags


def test_everything_that_is_made_carries_the_name_the_digest_and_the_fleet(world: World) -> None:
    order = an_order(root_image="ami-base")
    image = world.bake(order)

    made = [*world.cloud.builders.values(), *world.cloud.snapshots.values(), world.cloud.pictures[image.id]]
    for thing in made:
        assert thing.tags[Tag.FLEET] == "web"
        assert thing.tags[Tag.DIGEST] == order.package.digest
        assert thing.tags["deployer:image"] == order.name == image.name
    assert world.cloud.builders["i-b0"].tags[Tag.ROLE] == "builder"


def test_an_image_that_is_there_is_adopted_without_any_change(world: World) -> None:
    first = world.bake()
    world.cloud.calls.clear()

    second = world.bake()

    assert second.adopted
    assert second.id == first.id
    assert world.cloud.calls == []


def test_another_digest_gets_another_image(world: World) -> None:
    order = an_order()
    first = world.bake(order)
    second = world.bake(replace(order, package=replace(order.package, digest="sha256:" + "f" * 64)))

    assert first.id != second.id
    assert not second.adopted


@pytest.mark.parametrize("point", range(len(CHANGES)))
@pytest.mark.parametrize("side", ["crash_before", "crash_after"])
def test_a_crash_at_any_call_is_gone_on_with_and_nothing_is_made_twice(world: World, point: int, side: str) -> None:
    setattr(world.cloud, side, point)
    with pytest.raises(Crash):
        world.bake()
    setattr(world.cloud, side, None)

    image = world.bake()

    assert world.is_settled(image)
    assert len(world.cloud.builders) == 1
    assert len(world.cloud.snapshots) == len(world.cloud.volumes)
    world.cloud.calls.clear()
    assert world.bake().id == image.id
    assert world.cloud.calls == []


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("fault", ["lost", "failed", "throttled"])
@pytest.mark.parametrize("lag", [0.0, 10.0])
def test_one_answer_that_is_lost_or_throttled_changes_nothing_of_the_end(
    world: World, name: str, fault: str, lag: float
) -> None:
    world.cloud.lag = lag
    world.cloud.faults[name] = [fault]

    image = world.bake()

    assert world.is_settled(image)
    assert len(world.cloud.builders) == 1


def test_what_is_not_visible_yet_is_not_asked_for_again(world: World) -> None:
    world.cloud.lag = 12.0

    world.bake()

    assert world.cloud.calls == CHANGES


def test_a_snapshot_that_was_taken_twice_does_not_stay(world: World) -> None:
    world.cloud.lag = 60.0
    world.cloud.faults["snapshot"] = ["lost"]

    image = world.bake()

    assert world.cloud.calls.count("snapshot") > 1
    assert world.is_settled(image)


def test_a_token_whose_builder_is_gone_is_followed_by_the_next_attempt(world: World) -> None:
    world.bake()
    world.cloud.pictures.clear()
    world.cloud.snapshots.clear()

    image = world.bake()

    assert len({thing.token for thing in world.cloud.builders.values()}) == 2
    assert list(world.cloud.pictures) == [image.id]


def test_a_builder_that_dies_is_replaced(world: World) -> None:
    world.host.installs = [Unknown("the connection was lost")]
    world.host.closed_until = world.clock.now() + 60
    with pytest.raises(BakeInterrupted):
        world.bake(stop_after=8)
    world.cloud.builders["i-b0"].ended = world.clock.now()

    image = world.bake()

    assert list(world.cloud.builders) == ["i-b0", "i-b1"]
    assert world.is_settled(image)


def test_builders_that_keep_dying_end_the_bake(world: World) -> None:
    world.cloud.boot = 1e9
    launch = world.cloud.launch_builder

    def doomed(order: object, attempt: int) -> object:
        outcome = launch(order, attempt)  # type: ignore[arg-type]
        for thing in world.cloud.builders.values():
            thing.ended = thing.ended or world.clock.now()
        return outcome

    world.cloud.launch_builder = doomed  # type: ignore[assignment,method-assign]

    with pytest.raises(BakeFailed, match="3 builders were launched and none of them lasted"):
        world.bake(an_order(deadlines=BakeDeadlines(launch=3000)))


def test_a_builder_that_somebody_else_stopped_is_never_copied(world: World) -> None:
    world.host.closed_until = world.clock.now() + 1e9
    with pytest.raises(BakeInterrupted):
        world.bake(stop_after=12)
    world.cloud.builders["i-b0"].stopped = world.clock.now() - 100
    world.host.closed_until = 0

    image = world.bake()

    assert {thing.of.split("-0")[0].split("-1")[0] for thing in world.cloud.snapshots.values()} == {"vol-i-b1"}
    assert world.is_settled(image)


def test_a_release_that_never_turns_healthy_fails_with_the_evidence_and_removes_the_builder(world: World) -> None:
    world.host.healthy = False

    with pytest.raises(BakeFailed, match="the application is not healthy: connection refused") as failure:
        world.bake()

    assert failure.value.exit_code is ExitCode.FAILED_SAFE
    assert "log of i-b0" in failure.value.evidence
    assert "console of i-b0" in failure.value.evidence
    assert not world.cloud.alive()
    assert not world.cloud.snapshots


def test_the_builder_of_a_failed_bake_is_kept_when_asked(world: World) -> None:
    world.host.healthy = False

    with pytest.raises(BakeFailed, match="builder i-b0 is kept") as failure:
        world.bake(an_order(keep_builder=True, rollout="r-1"))

    assert failure.value.kept == ("i-b0",)
    assert world.cloud.alive() == ["i-b0"]
    assert world.cloud.builders["i-b0"].tags[Tag.KEPT] == "r-1"


def test_a_kept_builder_is_no_part_of_the_next_bake_of_the_same_release(world: World) -> None:
    world.host.healthy = False
    with pytest.raises(BakeFailed, match="builder i-b0 is kept"):
        world.bake(an_order(keep_builder=True, rollout="r-1"))
    with pytest.raises(BakeFailed, match="builder i-b1 is kept"):
        world.bake(an_order(keep_builder=True, rollout="r-1"))

    world.host.healthy = True
    baked = world.bake()

    assert baked.id in world.cloud.pictures
    assert world.cloud.alive() == ["i-b0", "i-b1"]
    assert len(world.cloud.builders) == 3


def test_a_kept_builder_that_was_ended_since_is_not_in_the_way_either(world: World) -> None:
    world.host.healthy = False
    with pytest.raises(BakeFailed, match="builder i-b0 is kept"):
        world.bake(an_order(keep_builder=True, rollout="r-1"))
    world.cloud.terminate("i-b0")

    world.host.healthy = True
    assert world.bake().id in world.cloud.pictures


def test_a_builder_that_serves_another_release_fails_with_both_names(world: World) -> None:
    world.host.serves = "1"

    with pytest.raises(BakeFailed, match="serves release 1, not 2"):
        world.bake()


def test_an_application_without_the_header_that_the_settings_ask_for_fails_with_the_setting_to_change(
    world: World,
) -> None:
    world.host.serves = None

    with pytest.raises(BakeFailed, match=r"answers without the release_header .* should name release 2; set it to"):
        world.bake()


def test_a_builder_whose_application_names_no_release_is_proven_by_the_marker_on_its_host(world: World) -> None:
    world.host.serves, world.host.marker = None, an_order().package.digest

    assert world.bake().id in world.cloud.pictures


@pytest.mark.parametrize("marker", ["", "digest-of-another"])
def test_a_healthy_builder_whose_marker_names_another_bundle_is_not_made_an_image_of(
    world: World, marker: str
) -> None:
    world.host.serves, world.host.marker = None, marker

    with pytest.raises(BakeFailed, match="marker does not name release 2"):
        world.bake()
    assert not world.cloud.pictures


def test_an_installation_that_fails_ends_the_bake_at_once(world: World) -> None:
    world.host.installs = [Permanent("AfterInstall exited with 3")]

    with pytest.raises(BakeFailed, match="on builder i-b0 failed: AfterInstall exited with 3"):
        world.bake()

    assert world.host.done == ["install i-b0"]
    assert not world.cloud.alive()


def test_an_installation_of_unknown_outcome_is_asked_for_again(world: World) -> None:
    world.host.installs = [Unknown("the connection was lost")]

    image = world.bake()

    assert world.host.done.count("install i-b0") == 2
    assert world.is_settled(image)


def test_a_host_that_never_lets_us_in_is_given_up_on_at_the_deadline(world: World) -> None:
    world.host.closed_until = 1e9

    with pytest.raises(BakeFailed, match="does not let us in yet"):
        world.bake()

    assert world.clock.now() < 1000 + BakeDeadlines().boot + 120
    assert not world.cloud.alive()


def test_an_image_stuck_pending_is_cleaned_up_at_its_deadline(world: World) -> None:
    world.cloud.stuck_image = True

    with pytest.raises(BakeFailed, match=r"registering the image has taken .* is pending"):
        world.bake()

    assert not world.cloud.pictures
    assert not world.cloud.snapshots
    assert not world.cloud.alive()


def test_a_failed_snapshot_is_cleaned_up_and_named(world: World) -> None:
    world.cloud.failed_snapshot = True

    with pytest.raises(BakeFailed, match=r"snapshot snap-0 of vol-i-b0-0 failed: volume is impaired"):
        world.bake()

    assert not world.cloud.snapshots
    assert not world.cloud.alive()


def test_a_failed_image_is_cleaned_up_and_named(world: World) -> None:
    world.cloud.failed_image = True

    with pytest.raises(BakeFailed, match="failed: snapshot unreadable"):
        world.bake()

    assert not world.cloud.pictures
    assert not world.cloud.snapshots


def test_an_image_that_came_out_wrong_is_never_handed_on(world: World) -> None:
    world.cloud.image_problem = "its VirtualizationType is paravirtual"

    with pytest.raises(BakeFailed, match="cannot be used: its VirtualizationType is paravirtual"):
        world.bake()

    assert not world.cloud.pictures


def test_a_wrong_image_of_an_earlier_run_is_refused_but_not_removed(world: World) -> None:
    image = world.bake()
    world.cloud.image_problem = "its Architecture is i386"

    with pytest.raises(BakeFailed):
        world.bake()

    assert list(world.cloud.pictures) == [image.id]
    assert set(world.cloud.snapshots) == set(image.snapshots)


def test_no_capacity_is_waited_out(world: World) -> None:
    world.cloud.faults["launch_builder"] = ["InsufficientInstanceCapacity"] * 3

    assert world.is_settled(world.bake())


def test_no_capacity_until_the_deadline_is_said_in_the_end(world: World) -> None:
    world.cloud.faults["launch_builder"] = ["InsufficientInstanceCapacity"] * 1000

    with pytest.raises(BakeFailed, match="InsufficientInstanceCapacity"):
        world.bake()


def test_a_call_that_is_denied_ends_the_bake_and_says_so(world: World) -> None:
    world.cloud.faults["snapshot"] = ["UnauthorizedOperation"]

    with pytest.raises(BakeFailed, match="UnauthorizedOperation"):
        world.bake()

    assert not world.cloud.alive()


def test_a_builder_that_may_not_be_terminated_is_reported_and_the_image_kept(world: World) -> None:
    world.cloud.faults["terminate"] = ["OperationNotPermitted"]

    image = world.bake()

    assert world.cloud.alive() == ["i-b0"]
    assert list(world.cloud.pictures) == [image.id]
    assert [event.text for event in world.events if isinstance(event, Noted)] == ["OperationNotPermitted"]


def test_nothing_is_changed_when_the_journal_cannot_be_written(world: World) -> None:
    world.journal.down = True

    with pytest.raises(StateUnavailable):
        world.bake()

    assert world.cloud.calls == []


def test_every_change_has_an_intent_before_it_and_one_outcome_after_it(world: World) -> None:
    world.bake()

    kinds = [record.kind for record in world.journal.lines]
    assert kinds == ["intent", "outcome"] * (len(kinds) // 2)
    steps = [record.data["step"] for record in world.journal.lines if record.kind == "intent"]
    assert steps == [
        "LaunchBuilder",
        "InstallRelease",
        "CleanHost",
        "MarkClean",
        "StopBuilder",
        "TakeSnapshots",
        "RegisterImage",
        "TerminateBuilder",
    ]
    made = [record.data["made"] for record in world.journal.lines if record.kind == "outcome"]
    assert made[0] == "i-b0"
    assert made[6] in world.cloud.pictures


def test_an_interrupted_bake_says_how_to_go_on_and_is_gone_on_with(world: World) -> None:
    with pytest.raises(BakeInterrupted, match="run the same command again") as stopped:
        world.bake(stop_after=20)
    assert stopped.value.exit_code is ExitCode.INTERRUPTED

    image = world.bake()

    assert world.is_settled(image)
    assert len(world.cloud.builders) == 1


def test_an_endpoint_that_is_silent_for_a_while_is_waited_for(world: World) -> None:
    world.cloud.looks_fail_until = world.clock.now() + 120

    assert world.is_settled(world.bake())


def test_an_endpoint_that_stays_silent_ends_the_bake(world: World) -> None:
    world.cloud.looks_fail_until = 1e9

    with pytest.raises(AwsError, match="does not answer"):
        world.bake()
    assert world.cloud.calls == []


def test_a_wait_is_told_once_and_not_at_every_look(world: World) -> None:
    world.host.closed_until = world.clock.now() + 100
    world.bake()

    told = [(event.step, event.detail) for event in world.events if isinstance(event, Baking)]
    assert len(told) == len(set(told))
    assert ("launching", "the builder") in told
