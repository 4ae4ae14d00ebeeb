"""What a deployment stands on: application, deployment group and configuration, found or made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.codedeploy_values import GroupSpec, HostConfig, Revision
from deployer.config.settings import FleetSettings
from deployer.model.errors import PreflightRefused, UsageError

_BUILT_IN = "CodeDeployDefault."


@dataclass(frozen=True)
class Setup:
    """What is wanted, and what of it is there. `last_good` is the revision that the group deployed last, `running`
    the ids of its deployments that have not ended."""

    group: GroupSpec
    config: HostConfig
    role: str | None
    has_application: bool
    has_config: bool
    found: GroupSpec | None
    last_good: Revision | None
    running: tuple[str, ...] = ()

    def steps(self, *, upload: bool, revision: Revision) -> Iterator[str]:
        """What would be made, and what is used as it is, in sentences."""
        group, config = self.group, self.config
        yield f"{'use' if self.has_application else 'make'} the CodeDeploy application {group.application}"
        verb = "make" if self.found is None else "use" if self.found == group else "change"
        yield f"{verb} the deployment group {group.name}{_differences(self.found, group)}"
        built_in = self.has_config or config.name.startswith(_BUILT_IN)
        least = f"at least {config.least} healthy" + (", zone after zone" if config.zonal else "")
        yield f"{'use' if built_in else 'make'} the deployment configuration {config.name}: {least}"
        yield f"{'upload' if upload else 'use'} s3://{revision.bucket}/{revision.key}, register it and deploy it"

    def make(self, api: CodeDeploy) -> None:
        """Makes what is missing and changes what differs. Raises AwsError."""
        if not self.has_application:
            api.create_application(self.group.application)
        if not self.has_config and not self.config.name.startswith(_BUILT_IN):
            api.create_config(self.config)
        if self.found is None:
            api.create_group(self.group, self.config.name, self.role or "")
        elif self.found != self.group:
            api.update_group(self.group)


def find_setup(api: CodeDeploy, settings: FleetSettings, group: GroupSpec, config: HostConfig) -> Setup:
    """Looks what is there already. Raises PreflightRefused for what is there and is not what we need."""
    has_application = api.has_application(group.application)
    known = api.group(group.application, group.name) if has_application else None
    found = known.spec if known is not None else None
    own = settings.codedeploy
    if own.group is not None and found != group:
        raise PreflightRefused(_not_ours(settings, found, group))
    if found is None and own.service_role is None:
        raise UsageError(
            f"the deployment group {group.name} is not there, and making it needs a role for CodeDeploy; set "
            f"service_role in [fleet.{settings.name}.codedeploy] of {settings.source}"
        )
    there = api.config(config.name)
    wanted = config.request()
    if there is not None and not config.name.startswith(_BUILT_IN):
        differs = [key for key in ("minimumHealthyHosts", "zonalConfig") if _core(there, key) != _core(wanted, key)]
        if differs:
            raise PreflightRefused(
                f"the deployment configuration {config.name} has another {differs[0]} than its name says; "
                "delete it, and it is made anew"
            )
    return Setup(
        group,
        config,
        own.service_role,
        has_application,
        there is not None,
        found,
        known.last_good if known is not None else None,
        tuple(one.id for one in api.running(group.application, group.name)) if known is not None else (),
    )


def _core(document: object, key: str) -> object:
    value = document.get(key) if isinstance(document, dict) else None
    if key == "zonalConfig" and isinstance(value, dict):
        return value.get("minimumHealthyHostsPerZone")  # AWS fills the durations in
    return value


def _not_ours(settings: FleetSettings, found: GroupSpec | None, group: GroupSpec) -> str:
    place = f"[fleet.{settings.name}.codedeploy] of {settings.source}"
    if found is None:
        return f"there is no deployment group {group.name} in the application {group.application}, as {place} says"
    return (
        f"the deployment group {group.name} of {place} is used as it is, and is not what this rollout needs"
        f"{_differences(found, group)}; change it, or leave `group` out and one is made"
    )


def _differences(found: GroupSpec | None, wanted: GroupSpec) -> str:
    if found is None or found == wanted:
        return ""
    differing = [
        field.name for field in fields(GroupSpec) if getattr(found, field.name) != getattr(wanted, field.name)
    ]
    said = [
        f"{name} is {_shown(getattr(found, name))}, needed is {_shown(getattr(wanted, name))}" for name in differing
    ]
    return f" ({'; '.join(said)})"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join("=".join(one) if isinstance(one, tuple) else str(one) for one in value) or "none"
    return str(value)
