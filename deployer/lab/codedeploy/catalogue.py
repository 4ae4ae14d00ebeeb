"""Everything that CodeDeploy knows in one region: moto keeps the applications, the rest is here."""

from __future__ import annotations

import secrets
import string
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from moto.codedeploy.models import codedeploy_backends

from deployer.lab.codedeploy.errors import refuse
from deployer.lab.codedeploy.health import Measure, Minimum
from deployer.lab.codedeploy.records import Config, Deployment, Group, ZonalConfig, now, revision_key

BUILT_IN = {
    "CodeDeployDefault.OneAtATime": Minimum(Measure.ALL_BUT_ONE),
    "CodeDeployDefault.HalfAtATime": Minimum(Measure.FLEET_PERCENT, 50),
    "CodeDeployDefault.AllAtOnce": Minimum(Measure.HOST_COUNT, 0),
}
_DEPLOYMENT_ID = string.ascii_uppercase + string.digits


@dataclass
class Revision:
    """A revision that was registered with an application."""

    location: dict[str, Any]
    description: str = ""
    registered: datetime = field(default_factory=now)
    first_used: datetime | None = None
    last_used: datetime | None = None
    groups: list[str] = field(default_factory=list)


class Catalogue:
    """One region's configurations, groups, revisions and deployments. Safe to use from many threads."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.lock = threading.RLock()
        self.configs = {name: Config(name, minimum) for name, minimum in BUILT_IN.items()}
        self.groups: dict[tuple[str, str], Group] = {}
        self.revisions: dict[str, dict[str, Revision]] = {}
        self.deployments: dict[str, Deployment] = {}

    def need_application(self, name: str) -> None:
        """Raises ApplicationDoesNotExistException for a name that moto does not know."""
        if not name:
            raise refuse("ApplicationNameRequired", "Application name is required.")
        codedeploy_backends[self.account][self.region].get_application(name)

    def config(self, name: str) -> Config:
        """A configuration. Raises DeploymentConfigDoesNotExistException."""
        if name not in self.configs:
            raise refuse("DeploymentConfigDoesNotExist", f"No Deployment Configuration found for name: {name}")
        return self.configs[name]

    def group(self, application: str, name: str) -> Group:
        """A group. Raises DeploymentGroupDoesNotExistException."""
        self.need_application(application)
        if not name:
            raise refuse("DeploymentGroupNameRequired", "Deployment group name is required.")
        found = self.groups.get((application, name))
        if found is None:
            raise refuse("DeploymentGroupDoesNotExist", f"No Deployment Group found for name: {name}")
        return found

    def add_group(self, application: str, name: str, document: Mapping[str, Any]) -> Group:
        """A new group. Raises DeploymentGroupAlreadyExistsException."""
        with self.lock:
            if (application, name) in self.groups:
                raise refuse(
                    "DeploymentGroupAlreadyExists",
                    f"Deployment group {name} already exists in application {application}.",
                )
            group = Group(application, name, str(uuid.uuid4()), dict(document))
            self.groups[application, name] = group
            return group

    def deployment(self, ident: str) -> Deployment:
        """A deployment. Raises DeploymentDoesNotExistException."""
        if not ident:
            raise refuse("DeploymentIdRequired", "Deployment id is required.")
        found = self.deployments.get(ident)
        if found is None:
            raise refuse("DeploymentDoesNotExist", f"The deployment {ident} could not be found")
        return found

    def active(self, group: Group) -> Deployment | None:
        """The group's deployment that has not ended."""
        with self.lock:
            return next((d for d in self.deployments.values() if d.group is group and not d.status.ended), None)

    def add_deployment(self, deployment: Deployment) -> None:
        """Takes a deployment in, and its revision with it. Raises DeploymentLimitExceededException."""
        with self.lock:
            running = self.active(deployment.group)
            if running is not None:
                raise refuse(
                    "DeploymentLimitExceeded",
                    f"The Deployment Group '{deployment.group.name}' already has an active Deployment "
                    f"'{running.id}'",
                )
            self.deployments[deployment.id] = deployment
            deployment.group.last_attempted = deployment
            revision = self.register(deployment.group.application, deployment.revision)
            revision.first_used = revision.first_used or now()
            revision.last_used = now()
            if deployment.group.name not in revision.groups:
                revision.groups.append(deployment.group.name)

    def register(self, application: str, location: Mapping[str, Any], description: str = "") -> Revision:
        """A revision's record, made when it is new."""
        with self.lock:
            known = self.revisions.setdefault(application, {})
            return known.setdefault(revision_key(location), Revision(dict(location), description))


def new_deployment_id() -> str:
    """An id such as `d-A1B2C3D4E`."""
    return "d-" + "".join(secrets.choice(_DEPLOYMENT_ID) for _ in range(9))


def read_minimum(given: Mapping[str, Any] | None, error: str) -> Minimum:
    """A minimum from the API's form. Raises the named error for one that makes no sense."""
    try:
        minimum = Minimum(Measure((given or {})["type"]), int((given or {})["value"]))
    except (KeyError, ValueError):
        raise refuse(
            error, "A minimum of healthy hosts needs a type, HOST_COUNT or FLEET_PERCENT, and a value."
        ) from None
    highest = 100 if minimum.measure is Measure.FLEET_PERCENT else None
    if minimum.value < 0 or (highest is not None and minimum.value > highest):
        raise refuse(error, f"{minimum.value} is not a valid minimum of healthy hosts.")
    return minimum


def read_config(name: str, params: Mapping[str, Any]) -> Config:
    """A configuration from CreateDeploymentConfig's parameters."""
    zonal = params.get("zonalConfig")
    return Config(
        name,
        read_minimum(params.get("minimumHealthyHosts"), "InvalidMinimumHealthyHostValue"),
        _zonal(zonal) if zonal else None,
        str(uuid.uuid4()),
        now(),
    )


def _zonal(given: Mapping[str, Any]) -> ZonalConfig:
    each = given.get("minimumHealthyHostsPerZone")
    return ZonalConfig(
        read_minimum(each, "InvalidZonalDeploymentConfiguration") if each else None,
        float(given.get("firstZoneMonitorDurationInSeconds") or given.get("monitorDurationInSeconds") or 0),
        float(given.get("monitorDurationInSeconds") or 0),
    )
