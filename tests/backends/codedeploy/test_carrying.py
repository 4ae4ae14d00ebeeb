"""Forward, back, adopted, stopped by failures, gates and signals: a carrier in a world of virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployer.aws.codedeploy_values import DeploymentStatus, Progress, TargetFacts
from deployer.backends.codedeploy.carrying import End
from deployer.backends.codedeploy.translate import BLUE_GREEN
from deployer.engine.clock import StopRequest
from deployer.engine.events import Failed, Noted
from deployer.hooks.contract import Judgement
from deployer.model.errors import AwsError, FleetHeld, PreflightRefused
from deployer.model.occasions import Point, Verdict
from deployer.model.policy import OnFailure
from tests.backends.codedeploy.twin import PLAN, SETUP, Deployment, Rollout, World, revision_of, with_policy
from tests.builders import BALANCER
from tests.hooks.twin import Scripted, gate_at

ON_2 = {"i-1": "2", "i-2": "2", "i-3": "2", "i-4": "2"}
ON_1 = dict.fromkeys(ON_2, "1")


def texts(rollout: Rollout) -> str:
    return "\n".join(event.text for event in rollout.events if isinstance(event, Noted))


def other(world: World, release: str) -> Deployment:
    """A deployment that somebody else began."""
    waiting = {name: TargetFacts(name, Progress.PENDING) for name in world.releases}
    one = Deployment("d-theirs", revision_of(release), "by hand", release, targets=waiting)
    world.deployments.append(one)
    return one


def test_the_goal_is_reached_and_every_instance_is_tagged_with_it() -> None:
    rollout = Rollout()

    ended = rollout.forward()

    assert ended.end is End.REACHED
    assert rollout.world.releases == ON_2
    assert [one for one in rollout.world.asked if one.startswith("tag")] == ["tag i-1 i-2", "tag i-3 i-4"]
    assert rollout.world.deployments[0].description == "deployer rollout r-1: release 2 of web"


@pytest.mark.parametrize("ignore", [True, False])
def test_codedeploy_itself_is_told_to_pass_over_a_broken_stop_script(ignore: bool) -> None:
    rollout = Rollout(plan=with_policy(ignore_stop_failures=ignore))

    rollout.forward()

    assert [order.request()["ignoreApplicationStopFailures"] for order in rollout.world.orders] == [ignore]


def test_a_failing_script_is_told_with_what_it_said_and_the_release_before_is_deployed_again() -> None:
    rollout = Rollout(World(breaks={("i-1", "2")}))

    ended = rollout.forward()

    assert ended.end is End.ROLLED_BACK
    assert ended.reason == ("i-1: ApplicationStart: start failed with exit code 7; 1 failed, 0 are put up with")
    (failure,) = [event for event in rollout.events if isinstance(event, Failed)]
    assert (failure.instance, failure.evidence) == ("i-1", "no shelves")
    assert rollout.world.stopped == ["d-1"]
    assert rollout.world.releases == ON_1
    assert [record.kind for record in rollout.journal.records() if record.kind in ("failure", "stance")] == [
        "failure",
        "stance",
    ]


def test_a_failure_that_is_put_up_with_stops_nothing() -> None:
    rollout = Rollout(World(breaks={("i-1", "2")}), plan=with_policy(max_failures=1))

    assert rollout.forward().end is End.REACHED
    assert rollout.world.stopped == []


def test_a_failure_without_a_way_back_leaves_the_others_as_they_are() -> None:
    rollout = Rollout(World(breaks={("i-1", "2")}), plan=with_policy(on_failure=OnFailure.STOP))

    ended = rollout.forward()

    assert (ended.end, ended.safe) == (End.FAILED, True)
    assert rollout.world.releases == {"i-1": "broken", "i-2": "2", "i-3": "1", "i-4": "1"}


@pytest.mark.parametrize(
    ("answer", "end", "releases"), [("on", End.REACHED, ON_2), ("back", End.ROLLED_BACK, ON_1)]
)
def test_a_failure_that_is_to_be_asked_about_pauses_until_somebody_has_it_go_on_or_back(
    answer: str, end: End, releases: dict[str, str]
) -> None:
    rollout = Rollout(World(breaks={("i-1", "2")}), plan=with_policy(on_failure=OnFailure.ASK))

    asked = rollout.forward()

    assert (asked.end, asked.end.open, asked.asks) == (End.PAUSED, True, True)
    assert asked.reason is not None
    assert "exit code 7" in asked.reason
    stance = [record.data for record in rollout.journal.records() if record.kind == "stance"]
    assert [(one["asks"], one["rolling_back"]) for one in stance] == [(True, False)]
    rollout.world.breaks.clear()
    assert (rollout.forward() if answer == "on" else rollout.back()).end is end
    assert rollout.world.releases == releases


@pytest.mark.parametrize(
    ("verdict", "end", "releases"),
    [
        (Verdict.FAIL, End.ROLLED_BACK, ON_1),
        (Verdict.ERROR, End.FAILED, {**ON_1, "i-1": "2", "i-2": "2"}),
        (Verdict.INCONCLUSIVE, End.PAUSED, {**ON_1, "i-1": "2", "i-2": "2"}),
    ],
)
def test_a_gate_that_is_asked_throughout_stops_the_deployment(
    verdict: Verdict, end: End, releases: dict[str, str]
) -> None:
    gate = Scripted(judgements=[Judgement(verdict, "errors")])
    line = gate_at(Point.THROUGHOUT, gate)
    rollout = Rollout(line=line)

    ended = rollout.forward()

    assert (ended.end, ended.reason) == (end, "throughout: gate: errors")
    assert rollout.world.stopped == ["d-1"]
    assert rollout.world.releases == releases


def test_a_gate_that_says_no_at_the_very_end_is_heard_too() -> None:
    gate = Scripted(judgements=[Judgement(Verdict.PASS), Judgement(Verdict.FAIL, "errors")])
    rollout = Rollout(line=gate_at(Point.THROUGHOUT, gate, interval=0.0))

    assert rollout.forward().end is End.ROLLED_BACK
    assert rollout.world.stopped == [], "the deployment was through by then"


def test_a_gate_of_the_final_soak_has_the_last_word_and_a_resumed_rollout_asks_it_again() -> None:
    gate = Scripted(judgements=[Judgement(Verdict.INCONCLUSIVE, "who knows")])
    rollout = Rollout(line=gate_at(Point.FINAL_SOAK, gate))

    assert rollout.forward().end is End.PAUSED
    gate.judgements = [Judgement(Verdict.PASS)]
    assert rollout.forward().end is End.REACHED
    assert len(rollout.world.deployments) == 1, "what has succeeded is not deployed again"

    gate.judgements = [Judgement(Verdict.FAIL, "errors")]
    assert rollout.forward().end is End.ROLLED_BACK
    assert rollout.world.releases == ON_1


def test_a_running_deployment_of_the_same_revision_is_followed_and_none_made() -> None:
    rollout = Rollout()
    other(rollout.world, "2")

    assert rollout.forward().end is End.REACHED
    assert [one.id for one in rollout.world.deployments] == ["d-theirs"]
    assert "the deployment d-theirs of this revision runs already" in texts(rollout)


def test_a_running_deployment_of_another_revision_is_refused_before_anything_is_changed() -> None:
    rollout = Rollout()
    other(rollout.world, "9")

    with pytest.raises(FleetHeld, match="deployment d-theirs of another revision runs on web-in-place") as caught:
        rollout.forward()

    assert caught.value.exit_code == 4
    assert rollout.world.asked == []
    assert "aws deploy stop-deployment --deployment-id d-theirs" in str(caught.value)


def test_a_deployment_whose_answer_was_lost_is_found_by_its_description_and_not_made_twice() -> None:
    rollout = Rollout(World(loses_answer=True))

    assert rollout.forward().end is End.REACHED
    assert [one.id for one in rollout.world.deployments] == ["d-1"]


def test_a_signal_stops_the_deployment_and_leaves_it_to_be_resumed() -> None:
    rollout = Rollout()
    rollout.world.on_look = lambda: rollout.stop.ask("SIGINT") if rollout.stop.count == 0 else None

    ended = rollout.forward()

    assert (ended.end, ended.abandoned) == (End.INTERRUPTED, False)
    assert rollout.world.stopped == ["d-1"]
    rollout.stop, rollout.world.on_look = type(rollout.stop)(), lambda: None
    assert rollout.forward().end is End.REACHED


def test_who_was_cut_short_is_asked_first_and_given_back_to_its_balancer_when_it_answers_well() -> None:
    rollout = Rollout(World(releases={**ON_1, "i-4": "broken"}))

    def cut_short() -> None:
        rollout.world.out |= {"i-3", "i-4"}
        rollout.stop.ask("SIGINT")

    rollout.world.on_look = lambda: cut_short() if rollout.stop.count == 0 else None
    began = rollout.clock.at

    ended = rollout.forward()

    assert ended.end is End.INTERRUPTED
    assert "attach i-3" in rollout.world.asked
    assert rollout.world.out == {"i-4"}, "what is broken is not put back"
    assert str(ended.reason).endswith("out of service, as their applications do not answer: i-4")
    assert rollout.clock.at - began < 60, "and not waited for"


def test_two_signals_leave_the_deployment_to_itself() -> None:
    rollout = Rollout()
    rollout.world.on_look = lambda: rollout.stop.ask("SIGINT")
    carrier = rollout.carrier()

    first = carrier.forward()

    assert first.end is End.INTERRUPTED
    assert first.abandoned or rollout.world.stopped == ["d-1"]


def test_a_deployment_that_does_not_stop_in_the_time_after_a_signal_is_left_to_itself_and_named() -> None:
    rollout = Rollout(World(ignores_stop=True, hangs=1e6))
    rollout.stop = StopRequest(30.0, rollout.clock.now)
    rollout.world.on_look = lambda: rollout.stop.ask("SIGTERM") if rollout.stop.count == 0 else None
    began = rollout.clock.at

    ended = rollout.forward()

    assert (ended.end, ended.abandoned) == (End.INTERRUPTED, True)
    assert ended.reason == "asked to stop, and 30 s were not enough; the deployment d-1 goes on by itself"
    assert 30.0 <= rollout.clock.at - began < 40.0


@pytest.mark.parametrize(("delay", "stopped"), [(3600.0, []), (0.0, ["d-1"])])
def test_a_drain_that_lasts_an_hour_is_no_standstill(delay: float, stopped: list[str]) -> None:
    plan = replace(PLAN, balancers=(replace(BALANCER, deregistration_delay=delay),))
    rollout = Rollout(World(hangs=100.0 + 3000.0), plan=plan)

    ended = rollout.forward()

    assert rollout.world.stopped == stopped
    assert (ended.end is End.REACHED) is not bool(stopped)


def test_looks_that_fail_for_a_while_are_made_again_with_the_lease_kept() -> None:
    rollout = Rollout(World(silent_looks=3))

    assert rollout.forward().end is End.REACHED
    assert texts(rollout).count("RequestLimitExceeded") == 3
    assert rollout.beats > 3


def test_an_abort_before_anything_was_deployed_deploys_nothing() -> None:
    rollout = Rollout()

    assert rollout.back().end is End.ROLLED_BACK
    assert rollout.world.deployments == []


def test_an_abort_stops_what_runs_and_deploys_the_release_before() -> None:
    rollout = Rollout()
    rollout.world.on_look = lambda: rollout.stop.ask("SIGINT")
    rollout.forward()
    rollout.stop, rollout.world.on_look = type(rollout.stop)(), lambda: None

    assert rollout.back().end is End.ROLLED_BACK
    assert rollout.world.releases == ON_1
    assert rollout.world.deployments[0].status is not DeploymentStatus.IN_PROGRESS


def test_an_abort_deploys_nothing_to_instances_that_were_never_changed() -> None:
    rollout = Rollout()
    rollout.stop.ask("SIGINT")
    rollout.forward()
    rollout.journal.append("note", "deployment", {"id": "d-0", "release": "2"})
    rollout.stop = type(rollout.stop)()

    ended = rollout.back()

    assert (ended.end, ended.reason) == (End.ROLLED_BACK, "aborted; every instance serves release 1")
    assert rollout.world.deployments == []


def test_a_bundle_that_has_changed_since_the_plan_was_pinned_is_refused() -> None:
    rollout = Rollout(digests={"1": "digest-1", "2": "another"})

    with pytest.raises(PreflightRefused, match="bundle of release 2 has changed since rollout r-1 began"):
        rollout.forward()


def test_a_bundle_that_is_gone_for_the_way_back_is_refused_before_the_first_change() -> None:
    rollout = Rollout(digests={"2": "digest-2"})

    with pytest.raises(PreflightRefused, match="name no bundle of release 1"):
        rollout.forward()
    assert rollout.world.deployments == []


def test_green_keeps_its_traffic_where_too_little_of_blue_is_left() -> None:
    world = World(releases={"i-1": "1", "i-g1": "2", "i-g2": "2"})
    plan = replace(PLAN, strategy=BLUE_GREEN)
    rollout = Rollout(world, plan=plan, setup=replace(SETUP, found=None))

    ended = rollout.back()

    assert ended.end is End.FAILED
    assert "1 of 4 blue instances are left, fewer than the floor of 2, so green keeps the traffic" in str(
        ended.reason
    )
    assert world.asked == []


def test_green_goes_again_where_its_deployment_is_refused() -> None:
    world = World(refuses=True)
    rollout = Rollout(world, plan=replace(PLAN, strategy=BLUE_GREEN))

    with pytest.raises(AwsError, match="InvalidRoleException"):
        rollout.forward()

    assert world.releases == ON_1
    assert "terminate" in world.asked


def test_green_that_is_interrupted_before_it_gets_traffic_gets_none() -> None:
    world = World()
    rollout = Rollout(world, plan=replace(PLAN, strategy=BLUE_GREEN))

    def interrupt() -> None:
        world.out |= {name for name in world.releases if "green" in name}
        if rollout.stop.count == 0:
            rollout.stop.ask("SIGINT")

    world.on_look = interrupt

    assert rollout.forward().end is End.INTERRUPTED
    assert not any(asked.startswith("attach") for asked in world.asked)
    assert {name for name in world.releases if name not in world.out} == set(ON_1)
