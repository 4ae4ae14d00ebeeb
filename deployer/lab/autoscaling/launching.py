"""From what a group is made of to instances: the lab's EC2, called in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends

from deployer.lab.autoscaling.errors import Refused, invalid
from deployer.lab.autoscaling.records import Source
from deployer.lab.context import InstanceFacts, Power
from deployer.lab.ec2 import launch_templates, network, request
from deployer.lab.ec2.calls import Call
from deployer.lab.ec2.errors import ApiError
from deployer.lab.ec2.launch import launch
from deployer.lab.ec2.records import Instance
from deployer.lab.ec2.service import Ec2

GROUP_TAG = "aws:autoscaling:groupName"
_TEMPLATE_TAGS = ("aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version")


@dataclass(frozen=True)
class Template:
    """A launch template version by number, with its data."""

    id: str
    name: str
    number: int
    data: Mapping[str, Any]

    def wire(self) -> dict[str, str]:
        """As members show it."""
        return {"LaunchTemplateId": self.id, "LaunchTemplateName": self.name, "Version": str(self.number)}


@dataclass(frozen=True)
class Birth:
    """Where a new member goes, and what it carries."""

    group: str
    zone: str
    subnet: str
    tags: Mapping[str, str]
    token: str = ""


class Launcher:
    """Makes, ends and tags instances for groups."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._account, self._region = ec2.settings.account, ec2.settings.region

    def _call(self, params: Mapping[str, Any]) -> Call:
        moto = ec2_backends[self._account][self._region]
        return Call(self._ec2, self._ec2.home, self._account, params, moto)

    def subnets(self, vpc_zones: str, zones: list[str]) -> dict[str, str]:
        """Zone → subnet. Raises ValidationError for what does not exist, and when neither is given."""
        moto = ec2_backends[self._account][self._region]
        try:
            if vpc_zones:
                named = [name.strip() for name in vpc_zones.split(",") if name.strip()]
                places = [network.place_by_subnet(moto, name) for name in named]
                return {place.zone: place.subnet for place in places}
        except ApiError as error:
            raise invalid(f"The subnet ID in VPCZoneIdentifier is not valid: {error.message}") from None
        found = {place.zone: place.subnet for place in network.default_places(moto)}
        if not zones or not set(zones) <= set(found):
            raise invalid("At least one Availability Zone or VPC Subnet that exists is required.")
        return {zone: found[zone] for zone in zones}

    def template(self, wanted: Mapping[str, Any]) -> Template:
        """The version that a specification means. Raises ValidationError when there is none."""
        key = "LaunchTemplateId" if wanted.get("LaunchTemplateId") else "LaunchTemplateName"
        try:
            kept, version = launch_templates.find_version(
                self._call({}), {key: wanted.get(key), "Version": wanted.get("Version")}
            )
        except (ApiError, ServiceException) as error:
            raise invalid(f"You must use a valid fully-formed launch template. {error.message}") from None
        return Template(kept.id, kept.name, version.number, version.data)

    def configuration(self, name: str) -> Any:
        """moto's launch configuration. Raises ValidationError when there is none."""
        backend = autoscaling_backends[self._account][self._region]
        found = backend.launch_configurations.get(name)
        if found is None:
            raise invalid(f"Launch configuration name not found - Launch configuration {name} not found")
        return found

    def check(self, source: Source) -> None:
        """Raises ValidationError for a source that nothing could be made from."""
        specification = source.specification()
        if specification is not None:
            self.template(specification)
        else:
            self.configuration(source.configuration or "")

    def launch(self, source: Source, birth: Birth) -> tuple[Instance, Template | None]:
        """Launches one instance. Raises Refused with EC2's code and sentence."""
        specification = source.specification()
        template = self.template(specification) if specification is not None else None
        params = self._params(source, template, birth)
        tags = {**birth.tags, GROUP_TAG: birth.group}
        if template is not None:
            tags |= dict(zip(_TEMPLATE_TAGS, (template.id, str(template.number)), strict=True))
        try:
            call = self._call(params)
            wanted = request.parse(call)
            made = launch(call, replace(wanted, tags={**wanted.tags, **tags}))
        except (ApiError, ServiceException) as error:
            raise Refused(error.code, error.message) from None
        return made[0], template

    def _params(self, source: Source, template: Template | None, birth: Birth) -> dict[str, Any]:
        params: dict[str, Any] = {"MinCount": 1, "MaxCount": 1, "ClientToken": birth.token}
        if template is None:
            params |= _from_configuration(self.configuration(source.configuration or ""))
            return {**params, "SubnetId": birth.subnet}
        params["LaunchTemplate"] = {"LaunchTemplateId": template.id, "Version": str(template.number)}
        overrides = (source.mixed or {}).get("LaunchTemplate", {}).get("Overrides") or ()
        if overrides and overrides[0].get("InstanceType"):
            params["InstanceType"] = overrides[0]["InstanceType"]
        interfaces = template.data.get("NetworkInterfaces")
        if interfaces:
            return {**params, "NetworkInterfaces": [{**interfaces[0], "SubnetId": birth.subnet}]}
        return {**params, "SubnetId": birth.subnet}

    def facts(self, instance_id: str) -> InstanceFacts | None:
        """What the lab's EC2 knows of an instance."""
        return self._ec2.get(instance_id)

    def instance(self, instance_id: str) -> Instance | None:
        """The record itself, while it is shown."""
        with self._ec2.home.store.lock:
            return self._ec2.home.store.instances.get(instance_id)

    def end(self, instance_id: str) -> None:
        """Terminates an instance; its termination protection does not hold against its group [ASG]."""
        found = self.facts(instance_id)
        if found is not None and found.power not in (Power.SHUTTING_DOWN, Power.TERMINATED):
            self._ec2.home.power.terminate(instance_id)

    def mark(self, instance_id: str, group: str | None, tags: Mapping[str, str]) -> None:
        """Sets tags on an instance, and whose group it belongs to."""
        store = self._ec2.home.store
        with store.lock:
            found = store.instances.get(instance_id)
            if found is None:
                return
            kept = {key: value for key, value in found.tags.items() if key != GROUP_TAG}
            own = {GROUP_TAG: group} if group is not None else {}
            store.set_tags(instance_id, {**kept, **tags, **own})


def _from_configuration(found: Any) -> dict[str, Any]:
    params = {
        "ImageId": found.image_id,
        "InstanceType": found.instance_type,
        "KeyName": found.key_name,
        "UserData": str(found.user_data) if found.user_data else None,
        "SecurityGroupIds": [name for name in found.security_groups if name.startswith("sg-")],
        "IamInstanceProfile": {"Name": found.iam_instance_profile} if found.iam_instance_profile else None,
    }
    return {key: value for key, value in params.items() if value}
