"""What IAM has to know of the lab: tags, templates, roles, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployer.lab.autoscaling.service import Groups
from deployer.lab.codedeploy import CodeDeploy
from deployer.lab.ec2 import Ec2
from deployer.lab.iam.call import Parameters


class LabWorld:
    """The `World` of the lab's region."""

    def __init__(self, ec2: Ec2, groups: Groups, codedeploy: CodeDeploy) -> None:
        self._ec2 = ec2
        self._groups = groups
        self._codedeploy = codedeploy
        self._account, self._region = ec2.settings.account, ec2.settings.region

    def tags(self, resource: str) -> Mapping[str, str]:
        """Of the lab's own resources, and of those that moto keeps."""
        store = self._ec2.home.store
        with store.lock:
            for kept in (store.instances, store.volumes, store.snapshots, store.images):
                if resource in kept:
                    return dict(kept[resource].tags)
        if not resource.startswith("arn:"):
            return dict(self._moto_ec2().tags.get(resource, {}))
        return self._tags_by_arn(resource)

    def _tags_by_arn(self, arn: str) -> Mapping[str, str]:
        from moto.elbv2.models import elbv2_backends

        balancers = elbv2_backends[self._account][self._region]
        kept = balancers.tagging_service.get_tag_dict_for_resource(arn)
        if kept:
            return {str(key): str(value or "") for key, value in kept.items()}
        with self._groups.lock:
            found = next((one for one in self._groups.groups.values() if one.arn == arn), None)
            return {key: value for key, (value, _) in found.tags.items()} if found is not None else {}

    def role_of(self, profile: str) -> str | None:
        """The ARN of the role in an instance profile."""
        from moto.iam.models import iam_backends

        name = profile.rpartition("/")[2]
        for backend in list(iam_backends[self._account].values()):
            for one in list(backend.instance_profiles.values()):
                if one.name == name and one.roles:
                    return str(one.roles[0].arn)
        return None

    def template(self, wish: Parameters) -> tuple[str, Parameters]:
        """By id or name; the version is a number, `$Latest` or `$Default` (the default)."""
        moto = self._moto_ec2()
        ident = wish.get("LaunchTemplateId") or moto.launch_template_name_to_ids.get(wish.get("LaunchTemplateName"))
        template = moto.launch_templates.get(ident)
        if template is None:
            return "", {}
        living = {one.number: one for one in template.versions if one is not None}
        version = str(wish.get("Version") or "$Default")
        if version == "$Latest":
            number = max(living)
        elif version.isdigit():
            number = int(version)
        else:
            number = template.default_version_number
        data: Mapping[str, Any] = living[number].data if number in living else {}
        return str(ident), data

    def volumes(self, instance: str) -> Sequence[str]:
        """Those that are attached."""
        store = self._ec2.home.store
        with store.lock:
            return [one.id for one in store.volumes.values() if one.instance_id == instance]

    def group_arn(self, name: str) -> str | None:
        """As the lab's Auto Scaling names it."""
        with self._groups.lock:
            found = self._groups.groups.get(name)
            return None if found is None else found.arn

    def subnets_of(self, group: str) -> Sequence[str]:
        """As the group has them now."""
        with self._groups.lock:
            found = self._groups.groups.get(group)
            return [] if found is None else list(found.subnets.values())

    def deployment_group(self, deployment: str) -> str | None:
        """As CodeDeploy has it in this region."""
        found = self._codedeploy.catalogue(self._account, self._region).deployments.get(deployment)
        return None if found is None else f"{found.group.application}/{found.group.name}"

    def _moto_ec2(self) -> Any:
        from moto.ec2.models import ec2_backends

        return ec2_backends[self._account][self._region]
