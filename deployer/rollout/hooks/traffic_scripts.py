"""The AppSpec's scripts around traffic, natively: hooks of instances, run on the instance itself.

CodeDeploy runs BeforeBlockTraffic and its like around what it does at the balancer. The loop has the same four
moments, at which hooks run; so these scripts are hooks that come with the bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deployer.config.hooks import HookSettings
from deployer.engine.plan import RolloutPlan
from deployer.hooks.contract import HookCall, HookOutcome, Progress, error, failed, passed
from deployer.hooks.doors import Doors
from deployer.model.errors import DeployerError
from deployer.model.fleet import Release
from deployer.model.hosts import Host
from deployer.model.observation import Work
from deployer.model.occasions import Point
from deployer.model.policy import Method
from deployer.remote.appspec.spec import LONGEST_EVENT, LifecycleEvent
from deployer.remote.bundle.bundle import Bundle
from deployer.remote.work import HostWork
from deployer.rollout.hooks.line import FittedHook, Line
from deployer.rollout.preparation import Ground

EVENTS = {
    Point.BEFORE_DRAIN: LifecycleEvent.BEFORE_BLOCK_TRAFFIC,
    Point.AFTER_DRAIN: LifecycleEvent.AFTER_BLOCK_TRAFFIC,
    Point.BEFORE_ATTACH: LifecycleEvent.BEFORE_ALLOW_TRAFFIC,
    Point.AFTER_ATTACH: LifecycleEvent.AFTER_ALLOW_TRAFFIC,
}


@dataclass(frozen=True)
class TrafficScripts:
    """The scripts of one event, as a hook. `bundles` are those of the rollout's releases, by name.

    The scripts around blocking come from the revision that the host has, as with CodeDeploy: which one that is
    only the host knows.
    """

    event: LifecycleEvent
    work: HostWork
    bundles: Mapping[str, Bundle]
    ignore_stop_failures: bool = False

    def run(self, call: HookCall, doors: Doors) -> HookOutcome:  # noqa: ARG002 - the protocol's
        """See `deployer.hooks.contract.Hook`. Asked again after a crash, the host tells what came of it."""
        bundle, place = self.bundles.get(call.release_to), call.instance
        if bundle is None or place is None:
            return passed(f"there is no bundle of release {call.release_to}, and so no script")
        if not self.event.from_previous_revision and not bundle.spec.scripts(self.event):
            return passed("no script")
        back = "-back" if call.progress is Progress.ROLLING_BACK else ""
        ended = self.work.install(
            Host(place.id, place.address, place.zone),
            bundle.package,
            f"{call.rollout}{back}-{call.release_to}",
            call.release_from,
            (self.event,),
            ignore_stop_failures=self.ignore_stop_failures,
        )
        reason, _, said = ended.detail.partition("\n")
        match ended.work:
            case Work.DONE:
                return passed()
            case Work.FAILED:
                return failed(f"{said}\n{reason}")
            case _:
                return error(f"{said}\n{reason}")


def with_traffic_scripts(line: Line, ground: Ground, plan: RolloutPlan) -> Line:
    """The line, with the scripts around traffic behind the hooks of the settings; a worker fleet has no traffic.

    They are no part of what the plan is pinned to: the release's digest is.
    """
    if not plan.balancers:
        return line
    releases = (plan.goal, plan.previous)
    found = {one.name: bundle for one in releases if (bundle := _bundle(ground, one)) is not None}
    work, passes_over = ground.hosts.work, plan.policy.ignore_stop_failures
    more = tuple(
        FittedHook(f"appspec-{event.value}", TrafficScripts(event, work, found, passes_over), _rules(point))
        for point, event in EVENTS.items()
        if event in set(_needed(found, plan))
    )
    return replace(line, hooks=(*line.hooks, *more))


def _needed(bundles: Mapping[str, Bundle], plan: RolloutPlan) -> Iterator[LifecycleEvent]:
    """The events for which there is a script, or may be one: what a host was given long ago only it knows."""
    unknown = plan.previous.name not in bundles and plan.policy.method is Method.IN_PLACE
    for event in EVENTS.values():
        scripted = any(bundle.spec.scripts(event) for bundle in bundles.values())
        if scripted or (unknown and bundles and event.from_previous_revision):
            yield event


def _bundle(ground: Ground, release: Release) -> Bundle | None:
    """The bundle of a release, where there is one: a rollout to an image needs none, and neither do its scripts."""
    try:
        return ground.wiring.bundle(release.name) if ground.wiring.package(release) is not None else None
    except DeployerError:
        return None


def _rules(point: Point) -> HookSettings:
    return HookSettings(at=point, timeout=float(LONGEST_EVENT))
