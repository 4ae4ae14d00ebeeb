"""What an Auto Scaling group launches: reading it, and making the same with another image.

A group launches from a launch template, from one inside a mixed-instances policy, or from a launch
configuration. Templates have versions; a configuration cannot be changed, so a copy is made.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from deployer.aws.errors import translated
from deployer.aws.session import AwsSession
from deployer.model.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

_COPIED = (
    "KeyName",
    "SecurityGroups",
    "InstanceType",
    "KernelId",
    "RamdiskId",
    "BlockDeviceMappings",
    "InstanceMonitoring",
    "SpotPrice",
    "IamInstanceProfile",
    "EbsOptimized",
    "AssociatePublicIpAddress",
    "PlacementTenancy",
    "MetadataOptions",
)
"""What CreateLaunchConfiguration takes, besides name, image and user data."""


@dataclass(frozen=True)
class GroupSource:
    """What a group launches. `version` is as the group has it: a number, `$Latest` or `$Default`."""

    template: str = ""
    """The launch template's id."""
    version: str = ""
    mixed: bool = False
    """Whether the template is named inside a mixed-instances policy."""
    configuration: str = ""
    """The launch configuration's name, where there is no template."""

    @property
    def numeric(self) -> bool:
        """Whether it names one version for good."""
        return self.version.isdigit()

    def data(self) -> dict[str, object]:
        """As JSON values, for the journal."""
        return vars(self).copy()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> GroupSource:
        """Reads back what `data` gave."""
        return cls(str(data["template"]), str(data["version"]), bool(data["mixed"]), str(data["configuration"]))

    def __str__(self) -> str:
        return f"{self.template} version {self.version}" if self.template else self.configuration


def source_of(raw: AutoScalingGroupTypeDef) -> GroupSource:
    """A group's source, as DescribeAutoScalingGroups shows it."""
    mixed = raw.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    found: Mapping[str, Any] | None = mixed or raw.get("LaunchTemplate")
    if not found:
        return GroupSource(configuration=raw.get("LaunchConfigurationName", ""))
    version = str(found.get("Version") or "$Default")
    return GroupSource(str(found.get("LaunchTemplateId", "")), version, mixed is not None)


def own_templates(raw: AutoScalingGroupTypeDef) -> tuple[str, ...]:
    """The instance types for which a mixed-instances policy names a template of their own."""
    overrides = raw.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", [])
    return tuple(str(one.get("InstanceType", "?")) for one in overrides if one.get("LaunchTemplateSpecification"))


def own_types(raw: AutoScalingGroupTypeDef) -> tuple[str, ...]:
    """The instance types that a mixed-instances policy chooses from, instead of its template's.

    Types that are asked for by their attributes are shown as `by attributes`.
    """
    overrides = raw.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", [])
    return tuple(dict.fromkeys(str(one.get("InstanceType") or "by attributes") for one in overrides))


class Sources(Protocol):
    """What a group launches, as a rollout changes it; `GroupSources` says what each call means and raises."""

    def pinned(self, source: GroupSource) -> GroupSource:
        """The same by number."""
        ...

    def image(self, source: GroupSource) -> str:
        """The image that is launched."""
        ...

    def kind(self, source: GroupSource) -> str:
        """The instance type that is launched."""
        ...

    def with_image(self, source: GroupSource, image: str, mark: str, kind: str | None = None) -> GroupSource:
        """The same source with another image."""
        ...

    def use(self, group: str, source: GroupSource) -> None:
        """Has the group launch from it from now on."""
        ...

    def make_default(self, source: GroupSource) -> None:
        """Makes a version its template's default."""
        ...

    def discard(self, source: GroupSource) -> None:
        """Removes what was made for a rollout which did not come to pass."""
        ...


@dataclass(frozen=True)
class GroupSources:
    """Makes sources and hands them to groups. Every call raises AwsError."""

    session: AwsSession

    def pinned(self, source: GroupSource) -> GroupSource:
        """The same by number: `$Latest` and `$Default` mean what they mean now."""
        if source.configuration or source.numeric:
            return source
        return replace(source, version=str(self._version(source)["VersionNumber"]))

    def image(self, source: GroupSource) -> str:
        """The image that is launched."""
        return str(self._data(source).get("ImageId", ""))

    def kind(self, source: GroupSource) -> str:
        """The instance type that is launched, unless a mixed-instances policy chooses another."""
        return str(self._data(source).get("InstanceType", ""))

    def _data(self, source: GroupSource) -> Mapping[str, Any]:
        if source.template:
            data: Mapping[str, Any] = self._version(source).get("LaunchTemplateData", {})
            return data
        return self._configuration(source)

    def with_image(self, source: GroupSource, image: str, mark: str, kind: str | None = None) -> GroupSource:
        """The same source with another image: a further version, or a copy of the configuration.

        `kind` is another instance type, where it is to have one. `mark` names who it was made for; what bears it
        already is used again, since neither call is repeatable. `source` must be pinned.
        """
        change = {"ImageId": image, **({"InstanceType": kind} if kind is not None else {})}
        return self._next_version(source, change, mark) if source.template else self._copy(source, change, mark)

    def use(self, group: str, source: GroupSource) -> None:
        """Has the group launch from it from now on."""
        client = self.session.autoscaling
        with translated(f"having {group} launch from {source}"):
            if source.configuration:
                client.update_auto_scaling_group(
                    AutoScalingGroupName=group, LaunchConfigurationName=source.configuration
                )
            elif source.mixed:
                raw = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
                launch: Any = dict(raw.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}))
                launch["LaunchTemplateSpecification"] = _specification(source)
                client.update_auto_scaling_group(
                    AutoScalingGroupName=group, MixedInstancesPolicy={"LaunchTemplate": launch}
                )
            else:
                client.update_auto_scaling_group(AutoScalingGroupName=group, LaunchTemplate=_specification(source))

    def make_default(self, source: GroupSource) -> None:
        """Makes a version its template's default; nothing for a configuration."""
        if source.template:
            with translated(f"making version {source.version} the default of {source.template}"):
                self.session.ec2.modify_launch_template(
                    LaunchTemplateId=source.template, DefaultVersion=source.version
                )

    def discard(self, source: GroupSource) -> None:
        """Removes a version or configuration that was made for a rollout which did not come to pass."""
        with translated(f"removing {source}"):
            if source.template:
                self.session.ec2.delete_launch_template_versions(
                    LaunchTemplateId=source.template, Versions=[source.version]
                )
            else:
                self.session.autoscaling.delete_launch_configuration(LaunchConfigurationName=source.configuration)

    def _version(self, source: GroupSource) -> Mapping[str, Any]:
        with translated(f"reading {source}"):
            found = self.session.ec2.describe_launch_template_versions(
                LaunchTemplateId=source.template, Versions=[source.version]
            )["LaunchTemplateVersions"]
        if not found:
            raise AwsError(f"launch template {source} does not exist any more; the group launches from it")
        return found[0]

    def _next_version(self, source: GroupSource, change: Mapping[str, Any], mark: str) -> GroupSource:
        ec2 = self.session.ec2
        with translated(f"making a version of {source.template} with {', '.join(change.values())}"):
            pages = ec2.get_paginator("describe_launch_template_versions").paginate(
                LaunchTemplateId=source.template
            )
            for page in pages:
                for one in page["LaunchTemplateVersions"]:
                    data: Mapping[str, Any] = one.get("LaunchTemplateData", {})
                    if one.get("VersionDescription") == mark and change.items() <= data.items():
                        return replace(source, version=str(one.get("VersionNumber")))
            made = self.session.ec2_once.create_launch_template_version(
                LaunchTemplateId=source.template,
                SourceVersion=source.version,
                VersionDescription=mark,
                LaunchTemplateData=change,  # type: ignore[arg-type]
            )["LaunchTemplateVersion"]
        return replace(source, version=str(made.get("VersionNumber")))

    def _configuration(self, source: GroupSource) -> Mapping[str, Any]:
        with translated(f"reading launch configuration {source.configuration}"):
            found = self.session.autoscaling.describe_launch_configurations(
                LaunchConfigurationNames=[source.configuration]
            )["LaunchConfigurations"]
        if not found:
            raise AwsError(f"launch configuration {source.configuration} does not exist any more")
        return found[0]

    def _copy(self, source: GroupSource, change: Mapping[str, Any], mark: str) -> GroupSource:
        name = f"{source.configuration.split(' (')[0]} ({mark})"[:255]
        client = self.session.autoscaling
        with translated(f"copying launch configuration {source.configuration} with {', '.join(change.values())}"):
            if client.describe_launch_configurations(LaunchConfigurationNames=[name])["LaunchConfigurations"]:
                return replace(source, configuration=name)
            had = self._configuration(source)
            settings: dict[str, Any] = {key: had[key] for key in _COPIED if had.get(key)}
            if had.get("UserData"):
                # boto3 hands out base64 here, and encodes what it is given.
                settings["UserData"] = base64.b64decode(had["UserData"]).decode()
            client.create_launch_configuration(LaunchConfigurationName=name, **{**settings, **change})
        return replace(source, configuration=name)


def _specification(source: GroupSource) -> Any:
    return {"LaunchTemplateId": source.template, "Version": source.version}
