"""One deployment from Created to its end, in a thread of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deployer.lab.codedeploy import order
from deployer.lab.codedeploy.health import Standing, leaves_room, succeeded
from deployer.lab.codedeploy.records import Deployment, EventRecord, EventState, Status, Target, now, revision_key
from deployer.lab.codedeploy.wave import Wave, WaveEnd
from deployer.lab.codedeploy.work import TargetWork
from deployer.lab.context import InstanceFacts
from deployer.remote.appspec.spec import ALLOW_EVENTS, BLOCK_EVENTS, INSTALL_EVENTS, LifecycleEvent

UNHEALTHY = (
    "The overall deployment failed because too many individual instances failed deployment, too few healthy "
    "instances are available for deployment, or some instances in your deployment group are experiencing problems."
)
IMPOSSIBLE = (
    "The deployment failed because the minimum number of healthy instances, {least}, leaves none of the {hosts} "
    "instances to deploy to."
)
_LOOK = 0.1


class DeploymentEnded(Exception):
    """The deployment ends here."""

    def __init__(self, status: Status, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Run:
    """The phases of one deployment. `blue` are the group's instances, `green` those that take over from them."""

    deployment: Deployment
    work: TargetWork
    blue: Sequence[InstanceFacts]
    green: Sequence[InstanceFacts] = ()
    terminate: Callable[[str], object] = lambda _instance: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def prepare(self) -> None:
        """Makes the targets. Raises DeploymentEnded when there are none."""
        group = self.deployment.group
        if self.deployment.restores:
            self._add(self.blue, ALLOW_EVENTS, "Blue", healthy=False)
            self._add(self.green, BLOCK_EVENTS, "Green")
        elif group.blue_green:
            self._add(self.green, INSTALL_EVENTS + (ALLOW_EVENTS if group.balanced else ()), "Green", healthy=False)
            self._add(self.blue, BLOCK_EVENTS if group.balanced else (), "Blue")
        else:
            self._add(self.blue, order.in_place(balanced=group.balanced), "")
        if not self.blue or (group.blue_green and not self.green):
            which = "replacement" if self.blue else "deployment group's"
            raise DeploymentEnded(
                Status.FAILED,
                "NO_INSTANCES",
                f"The deployment failed because no instances were found among the {which}.",
            )

    def go(self) -> None:
        """Runs to the end. Raises DeploymentEnded when that is not success."""
        if self.deployment.restores:
            self._restore()
        elif self.deployment.group.blue_green:
            self._blue_green()
        else:
            self._in_place()

    # --- in place ---------------------------------------------------------------------------

    def _in_place(self) -> None:
        targets = self.deployment.targets
        events = order.in_place(balanced=self.deployment.group.balanced)
        least = self._least(targets)
        zonal = self.deployment.config.zonal
        if zonal is None:
            self._wave(targets, least, lambda target: self.work.run(target, events))
            self._judge(targets, least)
            return
        sizes = Counter(target.zone for target in targets.values())
        zone_least = {zone: zonal.minimum.of(size) if zonal.minimum else 0 for zone, size in sizes.items()}
        for index, zone in enumerate(sorted(sizes)):
            if not leaves_room(zone_least[zone], sizes[zone]):
                raise _impossible(zone_least[zone], sizes[zone])
            inside = {name: target for name, target in targets.items() if target.zone == zone}
            self._wave(targets, least, lambda target: self.work.run(target, events), inside, zone_least)
            self._judge(inside, zone_least[zone])
            if index + 1 < len(sizes):
                self._watch_for(zonal.first_monitor if index == 0 else zonal.monitor)
        self._judge(targets, least)

    def _least(self, targets: Mapping[str, Target]) -> int:
        least = self.deployment.config.minimum.of(len(targets))
        if not leaves_room(least, len(targets)):
            raise _impossible(least, len(targets))
        return least

    # --- blue/green -------------------------------------------------------------------------

    def _blue_green(self) -> None:
        group = self.deployment.group
        green, blue = self._labelled("Green"), self._labelled("Blue")
        least = self._least(green)
        self._wave(green, least, lambda target: self.work.run(target, INSTALL_EVENTS, last=not group.balanced))
        self._judge(green, least)
        self._wait_until_ready(green)
        if group.balanced:
            ready = {name: target for name, target in green.items() if target.standing is Standing.SUCCEEDED}
            for target in ready.values():
                target.standing, target.healthy_before = Standing.PENDING, False
            self._wave(ready, self._rerouted_least(least, green, ready), lambda t: self.work.run(t, ALLOW_EVENTS))
            self._judge(green, least)
            self._wave(blue, 0, lambda target: self.work.run(target, BLOCK_EVENTS))
            self._judge(blue, 0)
        self._terminate_blue(blue)

    @staticmethod
    def _rerouted_least(least: int, green: Mapping[str, Target], ready: Mapping[str, Target]) -> int:
        """The minimum among those that are ready: as many at once as in the whole green fleet."""
        return max(len(ready) - (len(green) - least), 0)

    def _wait_until_ready(self, green: Mapping[str, Target]) -> None:
        option = (self.deployment.group.document.get("blueGreenDeploymentConfiguration") or {}).get(
            "deploymentReadyOption"
        ) or {}
        if option.get("actionOnTimeout") != "STOP_DEPLOYMENT":
            return
        for target in green.values():
            if target.status is EventState.IN_PROGRESS:
                target.mark(EventState.READY)
        self.deployment.status = Status.READY
        end = self.clock() + 60.0 * float(option.get("waitTimeInMinutes") or 0)
        while not self.deployment.go_on.is_set():
            self._stop_if_asked()
            if self.clock() > end:
                raise DeploymentEnded(Status.STOPPED, "TIMEOUT", "Nobody continued the deployment in time.")
            self.sleep(_LOOK)
        self.deployment.status = Status.IN_PROGRESS

    def _terminate_blue(self, blue: Mapping[str, Target]) -> None:
        option = (self.deployment.group.document.get("blueGreenDeploymentConfiguration") or {}).get(
            "terminateBlueInstancesOnDeploymentSuccess"
        ) or {}
        if option.get("action") != "TERMINATE":
            return
        self.deployment.waiting_to_terminate = True
        end = self.clock() + 60.0 * float(option.get("terminationWaitTimeInMinutes") or 0)
        while self.clock() < end and not self.deployment.end_wait.is_set():
            self._stop_if_asked()
            self.sleep(_LOOK)
        for name in blue:
            self.terminate(name)

    def _restore(self) -> None:
        """Sends traffic back to the blue instances, and takes it from the green ones."""
        blue, green = self._labelled("Blue"), self._labelled("Green")
        self._wave(blue, 0, lambda target: self.work.run(target, ALLOW_EVENTS))
        self._judge(blue, 0)
        self._wave(green, 0, lambda target: self.work.run(target, BLOCK_EVENTS))

    # --- what the phases share --------------------------------------------------------------

    def _add(
        self,
        instances: Sequence[InstanceFacts],
        events: Sequence[LifecycleEvent],
        label: str,
        *,
        healthy: bool = True,
    ) -> None:
        hosts = self.deployment.group.hosts
        key = revision_key(self.deployment.revision)
        for facts in sorted(instances, key=lambda one: (order.claim(hosts.get(one.id), key), one.zone, one.id)):
            last = hosts.get(facts.id)
            self.deployment.targets[facts.id] = Target(
                facts.id,
                facts.zone,
                [EventRecord(event) for event in events],
                healthy_before=healthy and (last is None or last.succeeded),
                label=label,
            )

    def _labelled(self, label: str) -> dict[str, Target]:
        return {name: target for name, target in self.deployment.targets.items() if target.label == label}

    def _wave(
        self,
        targets: Mapping[str, Target],
        least: int,
        work: Callable[[Target], bool],
        only: Mapping[str, Target] | None = None,
        zone_least: Mapping[str, int] | None = None,
    ) -> None:
        wave = Wave(targets, least, work, self.work.stopping, zone_least or {}, self.sleep)
        match wave.run(list(targets if only is None else only)):
            case WaveEnd.STOPPED:
                self._stop_if_asked()
            case WaveEnd.STUCK:
                raise DeploymentEnded(Status.FAILED, "HEALTH_CONSTRAINTS", UNHEALTHY)
            case WaveEnd.THROUGH:
                self._stop_if_asked()

    def _judge(self, targets: Mapping[str, Target], least: int) -> None:
        if not succeeded([target.health() for target in targets.values()], least):
            raise DeploymentEnded(Status.FAILED, "HEALTH_CONSTRAINTS", UNHEALTHY)

    def _stop_if_asked(self) -> None:
        if self.work.stopping():
            raise DeploymentEnded(Status.STOPPED, self.deployment.stop_reason, "The deployment was stopped.")

    def _watch_for(self, seconds: float) -> None:
        end = self.clock() + seconds
        while self.clock() < end:
            self._stop_if_asked()
            self.sleep(_LOOK)

    def skip_the_rest(self) -> None:
        """What has not begun when a deployment ends is skipped."""
        for target in self.deployment.targets.values():
            if target.status in (EventState.PENDING, EventState.READY):
                target.mark(EventState.SKIPPED)
            for record in target.events:
                if record.state is EventState.PENDING:
                    record.end(EventState.SKIPPED)
        self.deployment.completed = now()


def _impossible(least: int, hosts: int) -> DeploymentEnded:
    return DeploymentEnded(Status.FAILED, "HEALTH_CONSTRAINTS_INVALID", IMPOSSIBLE.format(least=least, hosts=hosts))
