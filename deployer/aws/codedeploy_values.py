"""What CodeDeploy deploys, and how that stands: applications, groups, deployments and targets as values of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class DeploymentStatus(Enum):
    """The statuses of a deployment, by the names of the API."""

    CREATED = "Created"
    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    BAKING = "Baking"
    READY = "Ready"
    """Green is installed, and waits to be continued."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"

    @property
    def ended(self) -> bool:
        """Whether nothing comes after it."""
        return self in (DeploymentStatus.SUCCEEDED, DeploymentStatus.FAILED, DeploymentStatus.STOPPED)


RUNNING = tuple(status for status in DeploymentStatus if not status.ended)


class Progress(Enum):
    """The statuses of a target and of a lifecycle event, by the names of the API."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    UNKNOWN = "Unknown"
    READY = "Ready"

    @property
    def ended(self) -> bool:
        """Whether nothing comes after it."""
        return self in (Progress.SUCCEEDED, Progress.FAILED, Progress.SKIPPED)


@dataclass(frozen=True)
class Revision:
    """A bundle in S3."""

    bucket: str
    key: str
    etag: str = ""
    version: str | None = None
    kind: str = "tgz"

    def location(self) -> dict[str, Any]:
        """As the API has it."""
        place: dict[str, Any] = {"bucket": self.bucket, "key": self.key, "bundleType": self.kind}
        if self.etag:
            place["eTag"] = self.etag
        if self.version:
            place["version"] = self.version
        return {"revisionType": "S3", "s3Location": place}

    @classmethod
    def read(cls, location: Mapping[str, Any]) -> Revision | None:
        """From the API; None for a revision that is not in S3."""
        place = location.get("s3Location")
        if not place:
            return None
        return cls(
            place["bucket"],
            place["key"],
            str(place.get("eTag", "")).strip('"'),
            place.get("version"),
            place.get("bundleType", ""),
        )

    def is_same(self, other: Revision | None) -> bool:
        """Whether both are one object with one content, as far as both say."""
        if other is None or (self.bucket, self.key) != (other.bucket, other.key):
            return False
        return not self.etag or not other.etag or self.etag == other.etag


@dataclass(frozen=True)
class HostConfig:
    """A deployment configuration: the fewest healthy hosts, for the fleet and (zone after zone) in each zone.

    `zone_percent` takes the place of `zone_least` where a percentage was asked for.
    """

    name: str
    least: int
    zonal: bool = False
    zone_least: int = 0
    zone_percent: int | None = None

    def request(self) -> dict[str, Any]:
        """As CreateDeploymentConfig takes it."""
        request: dict[str, Any] = {
            "deploymentConfigName": self.name,
            "minimumHealthyHosts": {"type": "HOST_COUNT", "value": self.least},
            "computePlatform": "Server",
        }
        if self.zonal:
            percent = self.zone_percent is not None
            each = {
                "type": "FLEET_PERCENT" if percent else "HOST_COUNT",
                "value": self.zone_percent if percent else self.zone_least,
            }
            request["zonalConfig"] = {"minimumHealthyHostsPerZone": each}
        return request


@dataclass(frozen=True)
class GroupSpec:
    """A deployment group as we want it, or as it is. `tags` must all be there; balancers are named."""

    application: str
    name: str
    tags: tuple[tuple[str, str], ...] = ()
    asgs: tuple[str, ...] = ()
    target_groups: tuple[str, ...] = ()
    classics: tuple[str, ...] = ()
    blue_green: bool = False
    looser: tuple[str, ...] = ()
    """Filters of a group that is there which find more than `tags` can say: joined by "or", by a key alone, by a
    value alone, of machines on premises. What is made here has none."""

    @property
    def balanced(self) -> bool:
        """Whether CodeDeploy takes instances from balancers and gives them back."""
        return bool(self.target_groups or self.classics)

    def request(self) -> dict[str, Any]:
        """What CreateDeploymentGroup and UpdateDeploymentGroup have in common."""
        kind = "BLUE_GREEN" if self.blue_green else "IN_PLACE"
        option = "WITH_TRAFFIC_CONTROL" if self.balanced else "WITHOUT_TRAFFIC_CONTROL"
        request: dict[str, Any] = {
            "deploymentStyle": {"deploymentType": kind, "deploymentOption": option},
            "autoScalingGroups": list(self.asgs),
            "ec2TagSet": {"ec2TagSetList": [[_tag_filter(key, value)] for key, value in self.tags]},
            # What is brought back, and when, is decided here: a failure that is put up with is no failure.
            "autoRollbackConfiguration": {"enabled": False},
        }
        if self.balanced:
            request["loadBalancerInfo"] = {
                "targetGroupInfoList": [{"name": name} for name in self.target_groups],
                "elbInfoList": [{"name": name} for name in self.classics],
            }
        if self.blue_green:
            request["blueGreenDeploymentConfiguration"] = {
                "terminateBlueInstancesOnDeploymentSuccess": {
                    "action": "TERMINATE",
                    "terminationWaitTimeInMinutes": 0,
                },
                # Green is asked for its release before it gets traffic, and only then the deployment goes on.
                "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 60},
                "greenFleetProvisioningOption": {"action": "DISCOVER_EXISTING"},
            }
        return request


def _tag_filter(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value, "Type": "KEY_AND_VALUE"}


@dataclass(frozen=True)
class KnownGroup:
    """A deployment group that is there, and the revision that it deployed last with success."""

    spec: GroupSpec
    last_good: Revision | None = None


@dataclass(frozen=True)
class EventFacts:
    """One lifecycle event of a target, and why it failed."""

    name: str
    progress: Progress
    code: str = ""
    script: str = ""
    message: str = ""
    tail: str = ""


@dataclass(frozen=True)
class TargetFacts:
    """One instance of a deployment."""

    instance: str
    progress: Progress
    events: tuple[EventFacts, ...] = ()
    label: str = ""

    @property
    def failure(self) -> EventFacts | None:
        """The event that failed."""
        return next((event for event in self.events if event.progress is Progress.FAILED), None)

    @property
    def current(self) -> EventFacts | None:
        """The event that runs, else the last one that began."""
        running = [event for event in self.events if event.progress is Progress.IN_PROGRESS]
        begun = [e for e in self.events if e.progress in (Progress.SUCCEEDED, Progress.FAILED)]
        known = running or begun[-1:]
        return known[0] if known else None


@dataclass(frozen=True)
class DeploymentFacts:
    """One deployment."""

    id: str
    status: DeploymentStatus
    revision: Revision | None = None
    description: str = ""
    error: str = ""
    """The error's code and text; empty when there is none."""
    creator: str = "user"
    created: float = 0.0
    """Unix seconds, by AWS's clock."""


@dataclass(frozen=True)
class DeploymentOrder:
    """A deployment to start. `green` is a tag of the instances that take over, for blue/green."""

    group: GroupSpec
    config: str
    revision: Revision
    description: str
    green: tuple[str, str] | None = None
    file_exists: str = "DISALLOW"
    ignore_stop_failures: bool = False

    def request(self) -> dict[str, Any]:
        """As CreateDeployment takes it."""
        request: dict[str, Any] = {
            "applicationName": self.group.application,
            "deploymentGroupName": self.group.name,
            "deploymentConfigName": self.config,
            "revision": self.revision.location(),
            "description": self.description[:256],
            "fileExistsBehavior": self.file_exists,
            "ignoreApplicationStopFailures": self.ignore_stop_failures,
            "autoRollbackConfiguration": {"enabled": False},
        }
        if self.green is not None:
            request["targetInstances"] = {"tagFilters": [_tag_filter(*self.green)]}
        return request


def known_group(info: Mapping[str, Any]) -> KnownGroup:
    """From DeploymentGroupInfo."""
    balancers = info.get("loadBalancerInfo") or {}
    style = info.get("deploymentStyle") or {}
    sets = (info.get("ec2TagSet") or {}).get("ec2TagSetList") or ()
    any_of = info.get("ec2TagFilters") or ()
    on_premises = info.get("onPremisesInstanceTagFilters") or ()
    lists = [*sets, *([any_of] if any_of else [])]
    exact = [filters[0] for filters in lists if _is_one_tag(filters)]
    looser = [filters for filters in lists if not _is_one_tag(filters)] + ([on_premises] if on_premises else [])
    balanced = style.get("deploymentOption") == "WITH_TRAFFIC_CONTROL"
    spec = GroupSpec(
        application=info["applicationName"],
        name=info["deploymentGroupName"],
        tags=tuple(sorted((one["Key"], one.get("Value", "")) for one in exact)),
        asgs=tuple(
            sorted(
                group["name"] if isinstance(group, dict) else group for group in info.get("autoScalingGroups") or ()
            )
        ),
        target_groups=_names(balancers.get("targetGroupInfoList")) if balanced else (),
        classics=_names(balancers.get("elbInfoList")) if balanced else (),
        blue_green=style.get("deploymentType") == "BLUE_GREEN",
        looser=tuple(" or ".join(_filter_text(one) for one in filters) for filters in looser),
    )
    return KnownGroup(spec, Revision.read(info.get("targetRevision") or {}))


def _is_one_tag(filters: Sequence[Mapping[str, str]]) -> bool:
    """Whether these filters, joined by "or", are one key with one value."""
    return len(filters) == 1 and filters[0].get("Type") == "KEY_AND_VALUE" and bool(filters[0].get("Key"))


def _filter_text(one: Mapping[str, str]) -> str:
    return f"{one.get('Key') or '*'}={one.get('Value') or '*'}"


def _names(items: Sequence[Mapping[str, str]] | None) -> tuple[str, ...]:
    return tuple(sorted(item["name"] for item in items or ()))


def target_facts(item: Mapping[str, Any]) -> TargetFacts:
    """From DeploymentTarget."""
    found = item["instanceTarget"]
    return TargetFacts(
        found["targetId"].rpartition("/")[2],
        Progress(found["status"]),
        tuple(_event(event) for event in found.get("lifecycleEvents", [])),
        found.get("instanceLabel", ""),
    )


def _event(item: Mapping[str, Any]) -> EventFacts:
    said = item.get("diagnostics") or {}
    return EventFacts(
        item["lifecycleEventName"],
        Progress(item["status"]),
        said.get("errorCode", ""),
        said.get("scriptName", ""),
        said.get("message", ""),
        said.get("logTail", ""),
    )


def deployment_facts(info: Mapping[str, Any]) -> DeploymentFacts:
    """From DeploymentInfo."""
    error = info.get("errorInformation") or {}
    return DeploymentFacts(
        info["deploymentId"],
        DeploymentStatus(info["status"]),
        Revision.read(info.get("revision") or {}),
        info.get("description") or "",
        f"{error['code']}: {error.get('message', '')}".strip(" :") if error.get("code") else "",
        info.get("creator") or "user",
        info["createTime"].timestamp() if info.get("createTime") else 0.0,
    )
