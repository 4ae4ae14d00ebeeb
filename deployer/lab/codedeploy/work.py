"""The lifecycle events of one target, one after the other: at the balancer, or by the agent on the instance."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.lab.codedeploy.order import TRAFFIC, LastDeployment, parts
from deployer.lab.codedeploy.records import Deployment, Diagnostics, EventState, Target, revision_key
from deployer.lab.codedeploy.traffic import Traffic, TrafficError
from deployer.lab.context import InstanceDirectory, Power
from deployer.remote.appspec.spec import LifecycleEvent
from deployer.remote.install import JobState

if TYPE_CHECKING:
    from deployer.lab.codedeploy.agent import Agents

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TargetWork:
    """What one deployment does to a target."""

    deployment: Deployment
    agents: Agents
    traffic: Traffic
    directory: InstanceDirectory
    stopping: Callable[[], bool]

    def run(self, target: Target, events: Sequence[LifecycleEvent], *, last: bool = True) -> bool:
        """Runs these events; whether all went well. `last` when the target has succeeded after them."""
        target.mark(EventState.IN_PROGRESS)
        for piece in parts(events):
            if self.stopping():
                return self._give_up(target)
            rest = piece
            while (failed := self._run_piece(target, rest)) is not None:
                event, why = failed
                target.event(event).end(EventState.FAILED, why)
                if not (
                    event.from_previous_revision and self.deployment.document.get("ignoreApplicationStopFailures")
                ):
                    _log.info("%s failed on %s: %s %s", event.value, target.instance, why.message, why.log_tail)
                    return self._give_up(target)
                rest = rest[rest.index(event) + 1 :]
                if not rest:
                    break
        if last:
            target.mark(EventState.SUCCEEDED)
            self._remember(target, succeeded=True)
        return True

    def _give_up(self, target: Target) -> bool:
        for record in target.events:
            if record.state is EventState.PENDING:
                record.end(EventState.SKIPPED)
        target.mark(EventState.FAILED)
        self._remember(target, succeeded=False)
        return False

    def _remember(self, target: Target, *, succeeded: bool) -> None:
        key = revision_key(self.deployment.revision)
        self.deployment.group.hosts[target.instance] = LastDeployment(key, succeeded)

    def _run_piece(
        self, target: Target, piece: Sequence[LifecycleEvent]
    ) -> tuple[LifecycleEvent, Diagnostics] | None:
        if piece[0] in TRAFFIC:
            return self._traffic(target, piece[0])
        facts = self.directory.get(target.instance)
        if facts is None or facts.power is not Power.RUNNING:
            return piece[0], Diagnostics("UnknownError", "", f"The instance {target.instance} is not running.")

        def tell(event: LifecycleEvent, state: JobState) -> None:
            record = target.event(event)
            if state is JobState.RUNNING:
                record.begin()
            elif state is JobState.DONE:
                record.end(EventState.SUCCEEDED)
            target.mark(EventState.IN_PROGRESS)

        return self.agents.run(self.deployment, facts, piece, tell)

    def _traffic(self, target: Target, event: LifecycleEvent) -> tuple[LifecycleEvent, Diagnostics] | None:
        record = target.event(event)
        record.begin()
        try:
            if event is LifecycleEvent.BLOCK_TRAFFIC:
                self.traffic.block(target.instance, self.stopping)
            else:
                self.deployment.traffic_moved = True
                self.traffic.allow(target.instance, self.stopping)
        except TrafficError as problem:
            return event, Diagnostics("UnknownError", "", str(problem))
        record.end(EventState.SUCCEEDED)
        return None
