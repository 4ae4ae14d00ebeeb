"""The API: moto reads the request and writes the answer, the actions here do what is between."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from deployer.lab.codedeploy import documents
from deployer.lab.codedeploy.catalogue import BUILT_IN, Catalogue, read_config
from deployer.lab.codedeploy.errors import refuse
from deployer.lab.codedeploy.records import Deployment, Group, Status, revision_key
from deployer.lab.codedeploy.service import CodeDeploy

MOST_TARGETS = 25
"""Ids in one BatchGetDeploymentTargets, and deployments in one BatchGetDeployments."""


class Actions:
    """The actions that take the place of moto's, or that moto has not got. Each takes the request's parameters."""

    def __init__(self, service: CodeDeploy) -> None:
        self._service = service

    # --- configurations -----------------------------------------------------------------------

    def create_deployment_config(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateDeploymentConfig."""
        name = params.get("deploymentConfigName") or ""
        if name in home.configs:
            raise refuse(
                "DeploymentConfigAlreadyExists", f"A deployment configuration named {name} exists already."
            )
        home.configs[name] = read_config(name, params)
        return {"deploymentConfigId": home.configs[name].id}

    def get_deployment_config(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetDeploymentConfig."""
        config = home.config(params.get("deploymentConfigName") or "")
        return {"deploymentConfigInfo": documents.config_document(config)}

    def list_deployment_configs(self, home: Catalogue, _params: Mapping[str, Any]) -> dict[str, Any]:
        """ListDeploymentConfigs."""
        return {"deploymentConfigsList": sorted(home.configs)}

    def delete_deployment_config(self, home: Catalogue, params: Mapping[str, Any]) -> None:
        """DeleteDeploymentConfig; one that a group uses stays."""
        name = params.get("deploymentConfigName") or ""
        if name in BUILT_IN:
            raise refuse("InvalidOperation", f"{name} is built in and cannot be deleted.")
        if any(group.config_name == name for group in home.groups.values()):
            raise refuse("DeploymentConfigInUse", f"The deployment configuration {name} is in use.")
        home.configs.pop(name, None)

    # --- groups -------------------------------------------------------------------------------

    def create_deployment_group(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateDeploymentGroup."""
        home.need_application(params.get("applicationName") or "")
        if not params.get("serviceRoleArn"):
            raise refuse("RoleRequired", "The service role is required.")
        _check_group(home, params)
        group = home.add_group(params["applicationName"], params["deploymentGroupName"], params)
        return {"deploymentGroupId": group.id}

    def get_deployment_group(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetDeploymentGroup."""
        return {"deploymentGroupInfo": documents.group_document(_group(home, params))}

    def batch_get_deployment_groups(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """BatchGetDeploymentGroups."""
        names = params.get("deploymentGroupNames") or ()
        found = [home.group(params.get("applicationName") or "", name) for name in names]
        return {"deploymentGroupsInfo": [documents.group_document(group) for group in found]}

    def list_deployment_groups(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListDeploymentGroups."""
        application = params.get("applicationName") or ""
        home.need_application(application)
        names = sorted(name for owner, name in home.groups if owner == application)
        return {"applicationName": application, "deploymentGroups": names}

    def update_deployment_group(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """UpdateDeploymentGroup: what is given replaces what was there."""
        group = home.group(params.get("applicationName") or "", params.get("currentDeploymentGroupName") or "")
        _check_group(home, params)
        changes = {name: value for name, value in params.items() if name != "applicationName"}
        renamed = changes.pop("newDeploymentGroupName", None)
        changes.pop("currentDeploymentGroupName", None)
        with home.lock:
            group.document.update(changes)
            if renamed and renamed != group.name:
                del home.groups[group.application, group.name]
                group.name = renamed
                home.groups[group.application, renamed] = group
        return {"hooksNotCleanedUp": []}

    def delete_deployment_group(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """DeleteDeploymentGroup."""
        home.groups.pop((params.get("applicationName") or "", params.get("deploymentGroupName") or ""), None)
        return {"hooksNotCleanedUp": []}

    # --- revisions ----------------------------------------------------------------------------

    def register_application_revision(self, home: Catalogue, params: Mapping[str, Any]) -> None:
        """RegisterApplicationRevision; doing it twice changes nothing."""
        home.need_application(params.get("applicationName") or "")
        home.register(params["applicationName"], _revision(params), params.get("description") or "")

    def get_application_revision(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetApplicationRevision."""
        application = params.get("applicationName") or ""
        home.need_application(application)
        known = home.revisions.get(application, {}).get(revision_key(_revision(params)))
        if known is None:
            raise refuse("RevisionDoesNotExist", "The revision is not registered with the application.")
        info = {
            "description": known.description,
            "deploymentGroups": known.groups,
            "firstUsedTime": known.first_used,
            "lastUsedTime": known.last_used,
            "registerTime": known.registered,
        }
        shown = {name: value for name, value in info.items() if value is not None}
        return {"applicationName": application, "revision": known.location, "revisionInfo": shown}

    def list_application_revisions(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListApplicationRevisions, the newest first."""
        application = params.get("applicationName") or ""
        home.need_application(application)
        known = sorted(home.revisions.get(application, {}).values(), key=lambda one: one.registered, reverse=True)
        return {"revisions": [one.location for one in known]}

    # --- deployments --------------------------------------------------------------------------

    def create_deployment(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """CreateDeployment."""
        return {"deploymentId": self._service.create(home, params).id}

    def get_deployment(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetDeployment."""
        return {"deploymentInfo": documents.deployment_document(home.deployment(params.get("deploymentId") or ""))}

    def batch_get_deployments(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """BatchGetDeployments."""
        ids = params.get("deploymentIds") or ()
        if len(ids) > MOST_TARGETS:
            raise refuse("BatchLimitExceeded", f"At most {MOST_TARGETS} deployments can be asked for at once.")
        found = [home.deployments[one] for one in ids if one in home.deployments]
        return {"deploymentsInfo": [documents.deployment_document(one) for one in found]}

    def list_deployments(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListDeployments, the newest first."""
        application, name = params.get("applicationName"), params.get("deploymentGroupName")
        if application and name:
            home.group(application, name)
        wanted = set(params.get("includeOnlyStatuses") or ())
        span = params.get("createTimeRange") or {}
        found = [
            one
            for one in sorted(home.deployments.values(), key=lambda one: one.created, reverse=True)
            if (not application or one.group.application == application)
            and (not name or one.group.name == name)
            and (not wanted or one.status.value in wanted)
            and (not span.get("start") or one.created >= span["start"])
            and (not span.get("end") or one.created <= span["end"])
        ]
        return {"deployments": [one.id for one in found]}

    def stop_deployment(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """StopDeployment: what runs on an instance runs to its end, nothing more is begun."""
        deployment = home.deployment(params.get("deploymentId") or "")
        self._service.stop(deployment, params.get("autoRollbackEnabled"))
        return {"status": "Pending", "statusMessage": "No more instances are deployed to."}

    def continue_deployment(self, home: Catalogue, params: Mapping[str, Any]) -> None:
        """ContinueDeployment: ends the wait before traffic moves, or the one before blue is terminated."""
        deployment = home.deployment(params.get("deploymentId") or "")
        if deployment.status.ended:
            raise refuse("DeploymentAlreadyCompleted", f"The deployment {deployment.id} has ended already.")
        if not deployment.group.blue_green:
            raise refuse("UnsupportedActionForDeploymentType", "Only a blue/green deployment can be continued.")
        if params.get("deploymentWaitType") == "TERMINATION_WAIT":
            deployment.end_wait.set()
            return
        if deployment.status is not Status.READY:
            raise refuse("DeploymentIsNotInReadyState", f"The deployment {deployment.id} is not Ready.")
        deployment.go_on.set()

    # --- targets ------------------------------------------------------------------------------

    def list_deployment_targets(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """ListDeploymentTargets, by status and label where that is asked for."""
        deployment = _started(home, params)
        filters = params.get("targetFilters") or {}
        statuses, labels = filters.get("TargetStatus"), filters.get("ServerInstanceLabel")
        return {
            "targetIds": [
                target.instance
                for target in deployment.targets.values()
                if (not statuses or target.status.value in statuses) and (not labels or target.label in labels)
            ]
        }

    def get_deployment_target(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """GetDeploymentTarget."""
        found = _targets(home, _started(home, params), [params.get("targetId") or ""])
        return {"deploymentTarget": found[0]}

    def batch_get_deployment_targets(self, home: Catalogue, params: Mapping[str, Any]) -> dict[str, Any]:
        """BatchGetDeploymentTargets, for at most 25 ids."""
        ids = params.get("targetIds") or ()
        if len(ids) > MOST_TARGETS:
            raise refuse(
                "DeploymentTargetListSizeExceeded", f"At most {MOST_TARGETS} targets can be asked for at once."
            )
        return {"deploymentTargets": _targets(home, _started(home, params), ids)}


def _group(home: Catalogue, params: Mapping[str, Any]) -> Group:
    return home.group(params.get("applicationName") or "", params.get("deploymentGroupName") or "")


def _check_group(home: Catalogue, params: Mapping[str, Any]) -> None:
    if params.get("deploymentConfigName"):
        home.config(params["deploymentConfigName"])
    style = params.get("deploymentStyle") or {}
    if style.get("deploymentOption") == "WITH_TRAFFIC_CONTROL" and not params.get("loadBalancerInfo"):
        raise refuse("InvalidLoadBalancerInfo", "A load balancer is needed for a deployment with traffic control.")
    sets = (params.get("ec2TagSet") or {}).get("ec2TagSetList") or ()
    if len(sets) > 3 or any(len(one) > 10 for one in sets):
        raise refuse("TagSetListLimitExceeded", "A tag set has at most 3 lists of at most 10 tags.")
    if sets and params.get("ec2TagFilters"):
        raise refuse("InvalidEC2TagCombination", "ec2TagFilters and ec2TagSet exclude each other.")
    blue_green = params.get("blueGreenDeploymentConfiguration") or {}
    action = (blue_green.get("greenFleetProvisioningOption") or {}).get("action")
    if action == "COPY_AUTO_SCALING_GROUP":
        raise refuse(
            "InvalidBlueGreenDeploymentConfiguration",
            "The lab copies no Auto Scaling groups; use DISCOVER_EXISTING and name the green instances.",
        )


def _revision(params: Mapping[str, Any]) -> Mapping[str, Any]:
    revision: Mapping[str, Any] | None = params.get("revision")
    if not revision:
        raise refuse("RevisionRequired", "Revision is required.")
    return revision


def _started(home: Catalogue, params: Mapping[str, Any]) -> Deployment:
    deployment = home.deployment(params.get("deploymentId") or "")
    if deployment.status in (Status.CREATED, Status.QUEUED):
        raise refuse("DeploymentNotStarted", f"The deployment {deployment.id} has not started yet.")
    return deployment


def _targets(home: Catalogue, deployment: Deployment, ids: Sequence[str]) -> list[dict[str, Any]]:
    arn = f"arn:aws:codedeploy:{home.region}:{home.account}"
    unknown = [one for one in ids if one not in deployment.targets]
    if unknown:
        raise refuse(
            "DeploymentTargetDoesNotExist", f"{unknown[0]} is no target of the deployment {deployment.id}."
        )
    return [documents.target_document(deployment, deployment.targets[one], arn) for one in ids]


def install_actions(service: CodeDeploy, response: type[Any]) -> None:
    """Puts the actions into moto's dispatch, which goes by a method's name."""
    actions = Actions(service)
    for name in (name for name in dir(actions) if not name.startswith("_")):
        setattr(response, name, _method(service, getattr(actions, name)))


def _method(
    service: CodeDeploy, action: Callable[[Catalogue, Mapping[str, Any]], dict[str, Any] | None]
) -> Callable[[Any], ActionResult]:
    @functools.wraps(action)
    def method(self: Any) -> ActionResult:
        home = service.catalogue(self.current_account, self.region)
        result = action(home, self.params)
        return EmptyResult() if result is None else ActionResult(result)

    return method
