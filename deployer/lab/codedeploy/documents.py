"""Records as the API shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from deployer.lab.codedeploy.health import Measure, Minimum
from deployer.lab.codedeploy.records import Config, Deployment, EventRecord, EventState, Group, Target

_COUNTED = ("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready")
_GROUP_FIELDS = (
    "ec2TagFilters",
    "onPremisesInstanceTagFilters",
    "serviceRoleArn",
    "triggerConfigurations",
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "outdatedInstancesStrategy",
    "blueGreenDeploymentConfiguration",
    "loadBalancerInfo",
    "ec2TagSet",
)
_DEPLOYMENT_FIELDS = (
    "description",
    "targetInstances",
    "updateOutdatedInstancesOnly",
    "fileExistsBehavior",
    "overrideAlarmConfiguration",
)


def config_document(config: Config) -> dict[str, Any]:
    """DeploymentConfigInfo."""
    found: dict[str, Any] = {
        "deploymentConfigId": config.id,
        "deploymentConfigName": config.name,
        "createTime": config.created,
        "computePlatform": "Server",
    }
    if config.minimum.measure is not Measure.ALL_BUT_ONE:
        found["minimumHealthyHosts"] = _minimum(config.minimum)
    if config.zonal is not None:
        found["zonalConfig"] = {
            "firstZoneMonitorDurationInSeconds": int(config.zonal.first_monitor),
            "monitorDurationInSeconds": int(config.zonal.monitor),
        }
        if config.zonal.minimum is not None:
            found["zonalConfig"]["minimumHealthyHostsPerZone"] = _minimum(config.zonal.minimum)
    return _present(found)


def _minimum(minimum: Minimum) -> dict[str, Any]:
    return {"type": minimum.measure.value, "value": minimum.value}


def group_document(group: Group) -> dict[str, Any]:
    """DeploymentGroupInfo."""
    last = group.last_successful
    return _present(
        {
            "applicationName": group.application,
            "deploymentGroupId": group.id,
            "deploymentGroupName": group.name,
            "deploymentConfigName": group.config_name,
            "deploymentStyle": dict(group.style),
            "computePlatform": "Server",
            "targetRevision": last.revision if last is not None else None,
            "lastSuccessfulDeployment": _last(last),
            "lastAttemptedDeployment": _last(group.last_attempted),
            "terminationHookEnabled": bool(group.document.get("terminationHookEnabled")),
            "autoScalingGroups": [
                {"name": name, "hook": f"CodeDeploy-managed-automatic-launch-deployment-hook-{group.name}"}
                for name in group.document.get("autoScalingGroups") or ()
            ],
            **{name: group.document.get(name) for name in _GROUP_FIELDS},
        }
    )


def _last(deployment: Deployment | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    return _present(
        {
            "deploymentId": deployment.id,
            "status": deployment.status.value,
            "endTime": deployment.completed,
            "createTime": deployment.created,
        }
    )


def deployment_document(deployment: Deployment) -> dict[str, Any]:
    """DeploymentInfo."""
    group = deployment.group
    counts = Counter(target.status.value for target in deployment.targets.values())
    error = deployment.error
    return _present(
        {
            "applicationName": group.application,
            "deploymentGroupName": group.name,
            "deploymentConfigName": deployment.config.name,
            "deploymentId": deployment.id,
            "previousRevision": deployment.previous,
            "revision": deployment.revision,
            "status": deployment.status.value,
            "errorInformation": {"code": error[0], "message": error[1]} if error is not None else None,
            "createTime": deployment.created,
            "startTime": deployment.started,
            "completeTime": deployment.completed,
            "deploymentOverview": {name: counts.get(name, 0) for name in _COUNTED},
            "creator": deployment.creator,
            "ignoreApplicationStopFailures": bool(deployment.document.get("ignoreApplicationStopFailures")),
            "autoRollbackConfiguration": deployment.setting("autoRollbackConfiguration"),
            "rollbackInfo": deployment.rollback or None,
            "deploymentStyle": dict(group.style),
            "instanceTerminationWaitTimeStarted": deployment.waiting_to_terminate,
            "blueGreenDeploymentConfiguration": group.document.get("blueGreenDeploymentConfiguration"),
            "loadBalancerInfo": group.document.get("loadBalancerInfo"),
            "deploymentStatusMessages": list(deployment.messages),
            "computePlatform": "Server",
            **{name: deployment.document.get(name) for name in _DEPLOYMENT_FIELDS},
        }
    )


def target_document(deployment: Deployment, target: Target, arn: str) -> dict[str, Any]:
    """DeploymentTarget of an instance."""
    return {
        "deploymentTargetType": "InstanceTarget",
        "instanceTarget": _present(
            {
                "deploymentId": deployment.id,
                "targetId": target.instance,
                "targetArn": f"{arn}:instance/{target.instance}",
                "status": target.status.value,
                "lastUpdatedAt": target.updated,
                "lifecycleEvents": [_event(record) for record in target.events],
                "instanceLabel": target.label or None,
            }
        ),
    }


def _event(record: EventRecord) -> dict[str, Any]:
    return _present(
        {
            "lifecycleEventName": record.event.value,
            "status": record.state.value,
            "startTime": record.began,
            "endTime": record.ended,
            "diagnostics": _diagnostics(record),
        }
    )


def _diagnostics(record: EventRecord) -> dict[str, str] | None:
    said = record.diagnostics
    if said is not None:
        return {
            "errorCode": said.error_code,
            "scriptName": said.script,
            "message": said.message,
            "logTail": said.log_tail,
        }
    if record.state is EventState.SUCCEEDED and record.event.takes_scripts:
        return {"errorCode": "Success", "scriptName": "", "message": "Succeeded", "logTail": ""}
    return None


def _present(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
