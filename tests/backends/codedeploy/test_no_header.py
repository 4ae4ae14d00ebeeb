"""A carrier with an application that names no release: what CodeDeploy says of each instance has to prove it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.aws.codedeploy_values import DeploymentStatus, EventFacts, Progress, TargetFacts
from deployer.backends.codedeploy.carrying import End
from deployer.backends.codedeploy.deployed import Deployed
from deployer.engine.memory import Memory
from deployer.model.fleet import Release
from deployer.model.policy import OnFailure
from tests.backends.codedeploy.test_carrying import ON_1, ON_2
from tests.backends.codedeploy.twin import PLAN, Deployment, Rollout, World, revision_of, with_policy
from tests.builders import GOAL, PREVIOUS

IN_PLACE_GOAL = replace(GOAL, image=None)


def silent(world: World | None = None, **more: object) -> Rollout:
    made = world or World()
    made.names_release = False
    plan = replace(more.pop("plan", PLAN), goal=IN_PLACE_GOAL)  # type: ignore[type-var]
    return Rollout(made, plan=plan, memory=Memory(IN_PLACE_GOAL, PREVIOUS), **more)  # type: ignore[arg-type]


def test_the_goal_is_reached_by_what_each_target_came_to() -> None:
    rollout = silent()

    assert rollout.forward().end is End.REACHED
    assert rollout.world.releases == ON_2
    assert set(rollout.deployed.digests.values()) == {"digest-2"}


def test_a_release_that_fails_is_taken_back_and_the_way_back_is_proven_too() -> None:
    rollout = silent(World(breaks={("i-1", "2")}))

    assert rollout.forward().end is End.ROLLED_BACK
    assert rollout.world.releases == ON_1
    assert set(rollout.deployed.digests.values()) == {"digest-1"}


def test_an_abort_deploys_the_release_before_to_what_was_changed_though_everybody_is_healthy() -> None:
    """The process that deployed died before it could tag anything: only CodeDeploy knows."""
    rollout = silent(World(releases={**ON_1, "i-1": "2"}), deployed=Deployed({"i-1": "digest-2"}))
    rollout.journal.append("note", "deployment", {"id": "d-0", "release": "2"})

    assert rollout.back().end is End.ROLLED_BACK
    assert rollout.world.releases == ON_1
    assert len(rollout.world.deployments) == 1


def test_an_abort_of_a_deployment_that_still_runs_does_not_take_what_it_installs_for_the_release_before() -> None:
    rollout = silent()
    rollout.world.on_look = lambda: rollout.stop.ask("SIGINT") if len(changed(rollout)) == 2 else None
    rollout.forward()
    assert changed(rollout)
    rollout.stop, rollout.world.on_look = type(rollout.stop)(), lambda: None

    assert rollout.back().end is End.ROLLED_BACK
    assert rollout.world.releases == ON_1


def changed(rollout: Rollout) -> list[str]:
    return [name for name, release in rollout.world.releases.items() if release != "1"]


def test_who_was_cut_short_after_its_files_were_touched_is_on_no_release() -> None:
    rollout = silent(plan=with_policy(on_failure=OnFailure.STOP))
    follower = rollout.carrier().follower
    rollout.world.deployments.append(running := Deployment("d-1", revision_of("2"), "ours", "2"))
    running.targets["i-1"] = TargetFacts(
        "i-1",
        Progress.FAILED,
        (EventFacts("Install", Progress.SUCCEEDED), EventFacts("AfterInstall", Progress.FAILED)),
    )
    running.status = DeploymentStatus.STOPPED
    follower.follow(running.id, most_failures=4)
    follower.look()
    rollout.world.clock.sleep(1.0)
    seen = follower.look()
    one = seen.by_id["i-1"][1]
    assert one.answer is not None
    assert one.answer.ok, "healthy"
    assert not seen.serves(one, IN_PLACE_GOAL)
    assert not seen.serves(one, PREVIOUS)
    untouched = seen.by_id["i-2"][1]
    assert seen.serves(untouched, PREVIOUS)


@pytest.mark.parametrize("digest", ["digest-9", None])
def test_a_healthy_instance_on_which_another_hand_deployed_is_not_taken_for_done(digest: str | None) -> None:
    rollout = silent(deployed=Deployed(dict.fromkeys(ON_1, digest)))
    seen = rollout.carrier().follower.look()
    assert not any(seen.serves(one, release) for _, one in seen.instances() for release in (GOAL, Release("1")))


def test_green_gets_its_traffic_when_its_targets_are_through_with_what_they_install() -> None:
    """A target that is ready has not succeeded yet: it waits for the traffic that this proof lets go."""
    rollout = silent()
    follower = rollout.carrier().follower
    rollout.world.deployments.append(ready := Deployment("d-1", revision_of("2"), "ours", "2"))
    through = (EventFacts("Install", Progress.SUCCEEDED), EventFacts("ValidateService", Progress.SUCCEEDED))
    ready.targets = {"i-1": TargetFacts("i-1", Progress.READY, through, "Green")}
    ready.status = DeploymentStatus.STOPPED
    follower.follow("d-1", most_failures=0)
    follower.look()
    seen = follower.look()
    assert seen.serves_goal(seen.by_id["i-1"][1])
    assert not seen.serves_goal(seen.by_id["i-2"][1])
