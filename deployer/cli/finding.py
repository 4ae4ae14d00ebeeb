"""What AWS knows of a fleet that nobody has described yet, for `deployer init --from-…`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from deployer.config.from_codedeploy import balancer_names, group_names, tag_filters, translated
from deployer.config.starter import Draft

if TYPE_CHECKING:
    from deployer.aws.first_look import DeploymentGroup, Machines, PoolFacts
    from deployer.aws.found import FoundFleet
    from deployer.aws.session import AwsSession


@dataclass(frozen=True)
class Question:
    """Which fleet is meant: by a deployment group, a target group, an Auto Scaling group, or else by tags."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    asg: str | None = None
    target_group: str | None = None
    codedeploy: tuple[str, str] | None = None
    """Application and deployment group."""
    profile: str | None = None
    region: str | None = None


@dataclass(frozen=True)
class Discovered:
    """The fleet as settings, how many instances it has, and what speaks against a rollout."""

    draft: Draft
    instances: int
    problems: tuple[str, ...] = ()


def find(question: Question) -> Discovered:
    """Asks AWS for the fleet that is meant; changes nothing. Raises UsageError and PreflightRefused."""
    from deployer.aws.discovery import find_fleet
    from deployer.aws.first_look import machines
    from deployer.aws.query import FleetQuery
    from deployer.aws.session import AwsSession, AwsSettings

    session = AwsSession(AwsSettings(profile=question.profile, region=question.region))
    group = _deployment_group(session, question)
    draft = _begun(session, question, group)
    named = draft.balancers or None
    found = find_fleet(session, FleetQuery(draft.name, draft.tags, draft.instances, draft.asg, named))
    common = machines(session, [one.id for one in found.instances])
    draft = replace(draft, key_name=common.key_name, balancers=tuple(one.name for one in found.balancers))
    if group is not None:
        draft = translated(draft, group.info, group.config, len(found.instances))
    return Discovered(_with_health(session, draft, found), len(found.instances), found.problems)


def _deployment_group(session: AwsSession, question: Question) -> DeploymentGroup | None:
    from deployer.aws.first_look import deployment_group

    return deployment_group(session, *question.codedeploy) if question.codedeploy is not None else None


def _begun(session: AwsSession, question: Question, group: DeploymentGroup | None) -> Draft:
    """The settings as far as what was named says how the fleet is found, and its balancers."""
    from deployer.aws.first_look import members, pool

    draft = Draft(question.name)
    if group is not None:
        return _of_deployment_group(session, draft, group)
    if question.target_group is not None:
        facts = pool(session, question.target_group)
        return _of_machines(replace(draft, balancers=(facts.name,)), members(session, facts))
    if question.asg is not None:
        return replace(draft, asg=question.asg)
    return replace(draft, tags=question.tags)


def _of_machines(draft: Draft, machines: Machines) -> Draft:
    """Found by their group, else by the tags that they have in common, else by id."""
    if machines.asg is not None:
        return replace(draft, asg=machines.asg)
    if machines.tags:
        return replace(draft, tags=machines.tags)
    return replace(draft, instances=machines.ids)


def _of_deployment_group(session: AwsSession, draft: Draft, group: DeploymentGroup) -> Draft:
    from deployer.aws.first_look import by_filters
    from deployer.model.errors import PreflightRefused

    tags, any_of = tag_filters(group.info)
    draft = replace(draft, balancers=balancer_names(group.info))
    if groups := group_names(group.info):
        return replace(draft, asg=groups[0])
    if tags:
        return replace(draft, tags=tags)
    if any_of:
        remark = "tag filters of which any fits: the instances that they find now are named by id"
        return replace(draft, instances=by_filters(session, any_of), unmatched=(remark,))
    raise PreflightRefused(
        f"{group.name} names no instances that can be looked for: expected an Auto Scaling group, tags, "
        "or one list of tag filters"
    )


def _with_health(session: AwsSession, draft: Draft, found: FoundFleet) -> Draft:
    """Port and path as the target groups ask for health; what they do that is not asked here is named."""
    from deployer.aws.first_look import pool
    from deployer.model.fleet import BalancerKind

    pools = [pool(session, one.id) for one in found.balancers if one.kind is not BalancerKind.CLASSIC]
    ports = {one.asked_port for one in pools} | {
        one.port for one in found.balancers if one.kind is BalancerKind.CLASSIC
    }
    paths = {one.check_path for one in pools if one.check_path}
    unmatched = [line for one in pools for line in _odd_health(one)]
    if len(ports) > 1:
        unmatched.append(f"health is asked on the ports {_listed(ports)}: one is asked here, say which")
    if len(paths) > 1:
        unmatched.append(f"health is asked at the paths {_listed(paths)}: one is asked here, say which")
    port = min((one for one in ports if one), default=draft.port)
    path = min(paths, default=draft.path)
    return replace(draft, port=port, path=path, unmatched=(*draft.unmatched, *unmatched))


def _odd_health(facts: PoolFacts) -> list[str]:
    found = []
    if facts.check_protocol not in ("HTTP", "TCP"):
        found.append(f"{facts.name} asks for health by {facts.check_protocol}: hosts are asked here by HTTP")
    if facts.check_protocol == "TCP":
        found.append(f"{facts.name} asks for health by TCP alone: say at which path an instance answers 2xx")
    if facts.matcher is not None and not re.fullmatch(r"2\d\d([-,]2\d\d)*", facts.matcher):
        found.append(f"{facts.name} takes the answers {facts.matcher} for healthy: 2xx counts here")
    return found


def _listed(values: set[int | None] | set[str] | set[str | None]) -> str:
    return ", ".join(sorted(str(one) for one in values))
