"""AWS CodeDeploy for EC2: the calls, which take and give the values of `codedeploy_values`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.aws.codedeploy_values import (
    RUNNING,
    DeploymentFacts,
    DeploymentOrder,
    GroupSpec,
    HostConfig,
    KnownGroup,
    Revision,
    TargetFacts,
    deployment_facts,
    known_group,
    target_facts,
)
from deployer.aws.errors import before_anything, code_of, translated
from deployer.aws.session import AwsSession

MOST_IDS = 25
"""The most ids of one BatchGetDeploymentTargets and of one BatchGetDeployments [CodeDeploy API]."""


@dataclass(frozen=True)
class CodeDeploy:
    """The API. Each call raises AwsError, and PreflightRefused where nothing can have been changed yet."""

    session: AwsSession
    _pages: int = field(default=1000, repr=False)

    # --- what deployments are made of ---------------------------------------------------------

    def has_application(self, name: str) -> bool:
        """Whether there is such an application."""
        with before_anything(f"looking for the CodeDeploy application {name}"):
            return (
                _found(lambda: self.session.codedeploy.get_application(applicationName=name), "Application")
                is not None
            )

    def create_application(self, name: str) -> None:
        """Makes one; that it is there already is as good."""
        with translated(f"making the CodeDeploy application {name}"):
            _unless_there(
                lambda: self.session.codedeploy.create_application(applicationName=name, computePlatform="Server"),
                "ApplicationAlreadyExistsException",
            )

    def group(self, application: str, name: str) -> KnownGroup | None:
        """A deployment group, or None."""
        info = self.group_info(application, name)
        return None if info is None else known_group(info)

    def group_info(self, application: str, name: str) -> Mapping[str, Any] | None:
        """DeploymentGroupInfo as AWS gives it, or None."""
        with before_anything(f"looking for the deployment group {name} of {application}"):
            answer = _found(
                lambda: self.session.codedeploy.get_deployment_group(
                    applicationName=application, deploymentGroupName=name
                ),
                "DeploymentGroup",
                "Application",
            )
        return None if answer is None else answer["deploymentGroupInfo"]

    def create_group(self, spec: GroupSpec, config: str, role: str) -> None:
        """Makes a deployment group."""
        request = {**spec.request(), "deploymentConfigName": config, "serviceRoleArn": role}
        with translated(f"making the deployment group {spec.name} of {spec.application}"):
            self.session.codedeploy.create_deployment_group(
                applicationName=spec.application, deploymentGroupName=spec.name, **request
            )

    def update_group(self, spec: GroupSpec) -> None:
        """Makes a deployment group what the spec says."""
        request: Any = spec.request()
        with translated(f"changing the deployment group {spec.name} of {spec.application}"):
            self.session.codedeploy.update_deployment_group(
                applicationName=spec.application, currentDeploymentGroupName=spec.name, **request
            )

    def config(self, name: str) -> Mapping[str, Any] | None:
        """A configuration as CreateDeploymentConfig would take it, or None."""
        with before_anything(f"looking for the deployment configuration {name}"):
            answer = _found(
                lambda: self.session.codedeploy.get_deployment_config(deploymentConfigName=name),
                "DeploymentConfig",
            )
        if answer is None:
            return None
        info = answer["deploymentConfigInfo"]
        return {key: info[key] for key in ("minimumHealthyHosts", "zonalConfig") if key in info}

    def create_config(self, config: HostConfig) -> None:
        """Makes a deployment configuration; that it is there already is as good."""
        request: Any = config.request()
        with translated(f"making the deployment configuration {config.name}"):
            _unless_there(
                lambda: self.session.codedeploy.create_deployment_config(**request),
                "DeploymentConfigAlreadyExistsException",
            )

    def register(self, application: str, revision: Revision, description: str) -> None:
        """Registers a revision with an application; doing it twice changes nothing."""
        location: Any = revision.location()
        with translated(f"registering s3://{revision.bucket}/{revision.key} with {application}"):
            self.session.codedeploy.register_application_revision(
                applicationName=application, revision=location, description=description[:256]
            )

    # --- deployments --------------------------------------------------------------------------

    def create(self, order: DeploymentOrder) -> str:
        """Starts a deployment; returns its id. It is sent once: what became of a lost answer, `running` tells."""
        request: Any = order.request()
        with translated(f"deploying to {order.group.name} of {order.group.application}"):
            return self.session.codedeploy_once.create_deployment(**request)["deploymentId"]

    def running(self, application: str, group: str) -> Sequence[DeploymentFacts]:
        """The group's deployments that have not ended."""
        with translated(f"looking for running deployments of {group}"):
            statuses: Any = [status.value for status in RUNNING]
            pages = self.session.codedeploy.get_paginator("list_deployments").paginate(
                applicationName=application, deploymentGroupName=group, includeOnlyStatuses=statuses
            )
            ids = [ident for page in pages for ident in page["deployments"]]
        return [self.deployment(ident) for ident in ids]

    def latest(self, application: str, group: str, most: int) -> tuple[Sequence[DeploymentFacts], bool]:
        """The group's `most` latest deployments, and whether there are more of them.

        That ListDeployments gives the newest first is seen, not documented; callers sort by `created`.
        """
        with translated(f"looking at the deployments of {group}"):
            pages = self.session.codedeploy.get_paginator("list_deployments").paginate(
                applicationName=application, deploymentGroupName=group, PaginationConfig={"MaxItems": most + 1}
            )
            ids = [ident for page in pages for ident in page["deployments"]]
        return [self.deployment(ident) for ident in ids[:most]], len(ids) > most

    def deployment(self, ident: str) -> DeploymentFacts:
        """How a deployment stands."""
        with translated(f"asking for the deployment {ident}"):
            return deployment_facts(self.session.codedeploy.get_deployment(deploymentId=ident)["deploymentInfo"])

    def targets(self, ident: str) -> Sequence[TargetFacts]:
        """Every target of a deployment; empty while it has not started."""
        with translated(f"asking for the targets of {ident}"):
            try:
                ids = list(self._target_ids(ident))
            except self.session.codedeploy.exceptions.DeploymentNotStartedException:
                return ()
            found: list[TargetFacts] = []
            for start in range(0, len(ids), MOST_IDS):
                answer = self.session.codedeploy.batch_get_deployment_targets(
                    deploymentId=ident, targetIds=ids[start : start + MOST_IDS]
                )
                found += [target_facts(item) for item in answer.get("deploymentTargets", [])]
        return found

    def _target_ids(self, ident: str) -> Iterator[str]:
        token: dict[str, str] = {}
        for _ in range(self._pages):
            answer = self.session.codedeploy.list_deployment_targets(deploymentId=ident, **token)  # type: ignore[arg-type]
            yield from answer.get("targetIds", [])
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def stop(self, ident: str) -> None:
        """Asks a deployment to begin nothing more; one that has ended is left as it is."""
        with translated(f"stopping the deployment {ident}"):
            _unless_there(
                lambda: self.session.codedeploy.stop_deployment(deploymentId=ident, autoRollbackEnabled=False),
                "DeploymentAlreadyCompletedException",
            )

    def go_on(self, ident: str) -> None:
        """Lets a deployment that is Ready send traffic to its green instances."""
        with translated(f"continuing the deployment {ident}"):
            self.session.codedeploy.continue_deployment(deploymentId=ident, deploymentWaitType="READY_WAIT")


def _found(call: Any, *missing: str) -> Any:
    """A call's answer, or None when AWS says that one of these does not exist."""
    try:
        return call()
    except Exception as error:
        if code_of(error) in {f"{kind}DoesNotExistException" for kind in missing}:
            return None
        raise


def _unless_there(call: Any, code: str) -> None:
    try:
        call()
    except Exception as error:
        if code_of(error) != code:
            raise
