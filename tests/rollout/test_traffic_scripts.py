"""The AppSpec's scripts around traffic as hooks: which there are, from which release, and what their end means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deployer.engine.plan import RolloutPlan
from deployer.hooks.contract import Ended, HookCall, Place, Progress
from deployer.hooks.doors import Doors
from deployer.model.capacity import Limits
from deployer.model.errors import UsageError
from deployer.model.fleet import Release
from deployer.model.hosts import Host, Package
from deployer.model.observation import Work
from deployer.model.occasions import Point
from deployer.model.policy import Method, Policy
from deployer.remote.appspec.spec import LifecycleEvent
from deployer.remote.work import Ended as WorkEnded
from deployer.rollout.hooks.line import Line
from deployer.rollout.hooks.traffic_scripts import TrafficScripts, with_traffic_scripts
from tests.builders import BALANCER, GOAL, PREVIOUS

BLOCK, ALLOW = LifecycleEvent.BEFORE_BLOCK_TRAFFIC, LifecycleEvent.BEFORE_ALLOW_TRAFFIC
PLAN = RolloutPlan(
    "r-1", "web", "rolling", {}, PREVIOUS, GOAL, Limits(2, 1, 1, 0), Policy(method=Method.IN_PLACE), (BALANCER,), ()
)


def bundle(release: str, *events: LifecycleEvent) -> Any:
    """A bundle with a script for each of these events."""
    scripts = dict.fromkeys(events, ("script",))
    spec = SimpleNamespace(scripts=lambda event: scripts.get(event, ()))
    return SimpleNamespace(spec=spec, package=Package(release, f"digest-{release}", Path("/none")))


@dataclass
class Hosts:
    """Host work that notes what was asked of it, and ends as it is told to."""

    ended: WorkEnded = field(default_factory=lambda: WorkEnded(Work.DONE))
    asked: list[tuple[object, ...]] = field(default_factory=list)
    passes_over: list[bool] = field(default_factory=list)

    def install(self, host: Host, package: Package, *more: object, ignore_stop_failures: bool = False) -> WorkEnded:
        self.passes_over.append(ignore_stop_failures)
        self.asked.append((host.instance, package.release, *more))
        return self.ended


@dataclass
class Wiring:
    """The bundles of releases; one that cannot be fetched is None."""

    bundles: Mapping[str, Any]

    def package(self, release: Release) -> Package | None:
        return self.bundles[release.name].package if release.name in self.bundles else None

    def bundle(self, release: str) -> Any:
        if self.bundles[release] is None:
            raise UsageError("gone")
        return self.bundles[release]


def points(plan: RolloutPlan, **bundles: Any) -> list[Point]:
    """Where scripts run, for bundles of release 1 (`old`) and 2 (`new`)."""
    named = {"1": bundles.get("old"), "2": bundles.get("new")}
    wiring = Wiring({name: one for name, one in named.items() if one is not None})
    ground = SimpleNamespace(wiring=wiring, hosts=SimpleNamespace(work=Hosts()))
    return [hook.rules.at for hook in with_traffic_scripts(Line(), cast("Any", ground), plan).hooks]


def test_without_scripts_around_traffic_there_are_no_hooks() -> None:
    assert points(PLAN, old=bundle("1"), new=bundle("2", LifecycleEvent.AFTER_INSTALL)) == []


def test_a_script_of_either_release_is_run_at_its_point() -> None:
    assert points(PLAN, old=bundle("1", BLOCK), new=bundle("2", ALLOW)) == [Point.BEFORE_DRAIN, Point.BEFORE_ATTACH]


def test_where_the_release_before_is_not_known_each_host_is_asked_for_its_scripts() -> None:
    assert points(PLAN, new=bundle("2")) == [Point.BEFORE_DRAIN, Point.AFTER_DRAIN]
    relaunch = replace(PLAN, policy=Policy(method=Method.RELAUNCH))
    assert points(relaunch, new=bundle("2")) == []


def test_a_worker_fleet_has_no_traffic() -> None:
    assert points(replace(PLAN, balancers=()), old=bundle("1", BLOCK), new=bundle("2", ALLOW)) == []


def call(**more: object) -> HookCall:
    """A call about one instance."""
    place = Place("i-1", "a", "127.0.0.9", 8080)
    base = HookCall(Point.BEFORE_ATTACH, "x", "r-1", "web", "rolling", "in-place", "1", "2", instance=place)
    return replace(base, **more)  # type: ignore[arg-type]


def run(event: LifecycleEvent, hosts: Hosts, **more: object) -> Any:
    bundles = {"1": bundle("1", BLOCK), "2": bundle("2", ALLOW)}
    return TrafficScripts(event, cast("Any", hosts), bundles).run(call(**more), Doors())


@pytest.mark.parametrize("ignore", [True, False])
def test_whether_a_failing_script_of_the_release_before_is_passed_over_is_the_plans_word(ignore: bool) -> None:
    hosts, bundles = Hosts(), {"1": bundle("1", BLOCK), "2": bundle("2")}
    ground = SimpleNamespace(wiring=Wiring(bundles), hosts=SimpleNamespace(work=hosts))
    plan = replace(PLAN, policy=replace(PLAN.policy, ignore_stop_failures=ignore))

    (hook,) = with_traffic_scripts(Line(), cast("Any", ground), plan).hooks
    cast("Any", hook.hook).run(call(), Doors())

    assert hosts.passes_over == [ignore]


def test_a_script_runs_once_for_each_direction_of_a_rollout() -> None:
    hosts = Hosts()

    assert run(ALLOW, hosts).ended is Ended.PASSED
    assert run(BLOCK, hosts, release_from="2", release_to="1", progress=Progress.ROLLING_BACK).ended is Ended.PASSED
    assert hosts.asked == [("i-1", "2", "r-1-2", "1", (ALLOW,)), ("i-1", "1", "r-1-back-1", "2", (BLOCK,))]


def test_a_release_without_the_script_leaves_the_host_alone_but_blocking_is_for_the_host_to_know() -> None:
    hosts = Hosts()

    run(ALLOW, hosts, release_to="1")
    assert hosts.asked == []
    run(BLOCK, hosts)
    assert len(hosts.asked) == 1


@pytest.mark.parametrize(("work", "ended"), [(Work.FAILED, Ended.FAILED), (Work.UNKNOWN, Ended.ERROR)])
def test_a_failing_script_is_told_by_its_reason_with_what_it_said_before(work: Work, ended: Ended) -> None:
    outcome = run(ALLOW, Hosts(WorkEnded(work, "BeforeAllowTraffic: x exited with 7\nno shelves")))

    assert outcome.ended is ended
    assert outcome.line == "BeforeAllowTraffic: x exited with 7"
    assert "no shelves" in outcome.output
