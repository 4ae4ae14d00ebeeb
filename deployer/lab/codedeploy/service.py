"""CodeDeploy over a lab's instances: starts deployments, watches their alarms, and rolls back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deployer.lab.codedeploy.catalogue import Catalogue, new_deployment_id
from deployer.lab.codedeploy.errors import refuse
from deployer.lab.codedeploy.records import Deployment, Group, Status, now
from deployer.lab.codedeploy.run import DeploymentEnded, Run
from deployer.lab.codedeploy.selecting import select
from deployer.lab.codedeploy.traffic import Traffic
from deployer.lab.codedeploy.work import TargetWork
from deployer.lab.context import InstanceFacts, LabContext

if TYPE_CHECKING:
    from deployer.lab.codedeploy.agent import Agents

_log = logging.getLogger(__name__)
LAG = 0.3
"""Seconds that a deployment is Created, and then Queued."""
_ROLLBACK = "codeDeployRollback"
"""Who creates a deployment that rolls another back (botocore: DeploymentCreator)."""
_ROLLBACK_EVENTS = {
    Status.FAILED: "DEPLOYMENT_FAILURE",
    Status.STOPPED: "DEPLOYMENT_STOP_ON_REQUEST",
}


class CodeDeploy:
    """The service of one lab. Instances stand in its own region; in the others deployments find none."""

    def __init__(
        self,
        context: LabContext,
        terminate: Callable[[str], object],
        rings: Callable[[str, str], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._context = context
        self._terminate = terminate
        self._rings = rings
        self._sleep = sleep
        self._agents: Agents | None = None
        self._catalogues: dict[str, Catalogue] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends the agents' connections; running deployments end with the lab's process."""
        if self._agents is not None:
            self._agents.close()

    def agents(self) -> Agents:
        """The agents on the instances. They bring SSH along, which a lab without deployments need not load."""
        from deployer.lab.codedeploy.agent import Agents

        with self._lock:
            self._agents = self._agents or Agents(self._context)
            return self._agents

    def catalogue(self, account: str, region: str) -> Catalogue:
        """A region's catalogue, made when first asked for."""
        with self._lock:
            return self._catalogues.setdefault(region, Catalogue(account, region))

    def create(self, catalogue: Catalogue, document: Mapping[str, Any], creator: str = "user") -> Deployment:
        """Starts a deployment. Raises the API's errors."""
        group = catalogue.group(document.get("applicationName") or "", document.get("deploymentGroupName") or "")
        last = group.last_successful
        revision = document.get("revision") or (last.revision if last is not None else None)
        if not revision:
            raise refuse("RevisionRequired", "Revision is required.")
        deployment = Deployment(
            new_deployment_id(),
            group,
            dict(revision),
            catalogue.config(str(document.get("deploymentConfigName") or group.config_name)),
            dict(document),
            creator,
            previous=last.revision if last is not None else None,
        )
        catalogue.add_deployment(deployment)
        self._launch(catalogue, deployment)
        return deployment

    def stop(self, deployment: Deployment, roll_back: bool | None) -> None:
        """Asks a deployment to stop. Raises DeploymentAlreadyCompletedException."""
        if deployment.status.ended:
            raise refuse("DeploymentAlreadyCompleted", f"The deployment {deployment.id} has ended already.")
        deployment.roll_back_on_stop = roll_back
        deployment.stop_reason = "MANUAL_STOP"

    def _launch(self, catalogue: Catalogue, deployment: Deployment) -> None:
        thread = threading.Thread(
            target=self._carry, args=(catalogue, deployment), name=f"codedeploy-{deployment.id}", daemon=True
        )
        thread.start()

    def _carry(self, catalogue: Catalogue, deployment: Deployment) -> None:
        run = self._run(catalogue, deployment)
        try:
            self._sleep(LAG)
            deployment.status = Status.QUEUED
            self._sleep(LAG)
            run.prepare()
            deployment.started, deployment.status = now(), Status.IN_PROGRESS
            run.go()
            ended = DeploymentEnded(Status.SUCCEEDED)
        except DeploymentEnded as end:
            ended = end
        except Exception as problem:  # noqa: BLE001 - a deployment must end, whatever the lab did wrong
            _log.exception("the deployment %s failed in the lab", deployment.id)
            ended = DeploymentEnded(Status.FAILED, "INTERNAL_ERROR", f"{type(problem).__name__}: {problem}")
        self._end(catalogue, run, ended)

    def _run(self, catalogue: Catalogue, deployment: Deployment) -> Run:
        group = deployment.group
        traffic = Traffic(catalogue.account, catalogue.region, group.document.get("loadBalancerInfo"), self._sleep)
        work = TargetWork(
            deployment,
            self.agents(),
            traffic,
            self._context.instances,
            lambda: self._stopping(catalogue, deployment),
        )
        blue, green = self._fleets(catalogue, deployment)
        return Run(deployment, work, blue, green, self._terminate, self._sleep)

    def _fleets(
        self, catalogue: Catalogue, deployment: Deployment
    ) -> tuple[Sequence[InstanceFacts], Sequence[InstanceFacts]]:
        if catalogue.region != self._context.settings.region:
            return (), ()
        directory = self._context.instances
        chosen = deployment.document.get("targetInstances")
        found = select(directory, deployment.group.document)
        if not deployment.group.blue_green:
            return found, ()
        green = select(directory, chosen) if chosen else []
        replacing = {one.id for one in green}
        return [one for one in found if one.id not in replacing], green

    def _stopping(self, catalogue: Catalogue, deployment: Deployment) -> bool:
        # The alarm that stopped a deployment is still on when its way back begins: it must not bar that too.
        heeds = deployment.creator != _ROLLBACK
        if heeds and not deployment.stop_reason and self._alarmed(catalogue, deployment):
            deployment.stop_reason = "ALARM_ACTIVE"
        return bool(deployment.stop_reason)

    def _alarmed(self, catalogue: Catalogue, deployment: Deployment) -> bool:
        watched = deployment.document.get("overrideAlarmConfiguration") or deployment.setting("alarmConfiguration")
        if not watched or not watched.get("enabled"):
            return False
        return any(self._rings(catalogue.region, str(one.get("name"))) for one in watched.get("alarms") or ())

    # --- the end, and the way back -----------------------------------------------------------

    def _end(self, catalogue: Catalogue, run: Run, ended: DeploymentEnded) -> None:
        deployment = run.deployment
        run.skip_the_rest()
        if ended.code:
            deployment.error = (ended.code, ended.message)
        rolls_back = ended.status is not Status.SUCCEEDED and self._rolls_back(deployment, ended)
        last = deployment.group.last_successful
        if ended.status is Status.SUCCEEDED and not deployment.restores:
            deployment.group.last_successful = deployment
        deployment.status = ended.status
        _log.info("deployment %s %s %s", deployment.id, ended.status.value, ended.code)
        if rolls_back:
            self._roll_back(catalogue, deployment, last)

    def _rolls_back(self, deployment: Deployment, ended: DeploymentEnded) -> bool:
        settings = deployment.setting("autoRollbackConfiguration") or {}
        events = settings.get("events") or () if settings.get("enabled") else ()
        alarmed = ended.code == "ALARM_ACTIVE"
        cause = "DEPLOYMENT_STOP_ON_ALARM" if alarmed else _ROLLBACK_EVENTS[ended.status]
        wanted = cause in events
        if ended.code == "MANUAL_STOP" and deployment.roll_back_on_stop is not None:
            wanted = deployment.roll_back_on_stop
        # A rollback that fails is not rolled back in its turn.
        return wanted and deployment.creator != _ROLLBACK

    def _roll_back(self, catalogue: Catalogue, deployment: Deployment, last: Deployment | None) -> None:
        group = deployment.group
        if group.blue_green and not deployment.traffic_moved:
            deployment.rollback = {"rollbackMessage": "Traffic never left the original instances."}
            return
        if not group.blue_green and last is None:
            deployment.rollback = {
                "rollbackMessage": "No rollback: no revision was deployed to this deployment group successfully."
            }
            return
        document = _way_back(group, deployment, last)
        created = self.create(catalogue, document, _ROLLBACK)
        created.rollback = {"rollbackTriggeringDeploymentId": deployment.id}
        deployment.rollback = {
            "rollbackDeploymentId": created.id,
            "rollbackMessage": f"Deployment {created.id} brings the last good revision back.",
        }


def _way_back(group: Group, deployment: Deployment, last: Deployment | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "applicationName": group.application,
        "deploymentGroupName": group.name,
        "deploymentConfigName": deployment.config.name,
        "revision": last.revision if last is not None else deployment.revision,
        "fileExistsBehavior": deployment.document.get("fileExistsBehavior"),
        "description": f"Rollback of {deployment.id}",
    }
    if group.blue_green:
        document |= {"targetInstances": deployment.document.get("targetInstances"), "lab:restore": True}
    return document
