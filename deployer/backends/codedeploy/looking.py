"""`deployer why`, with CodeDeploy: what is seen of an instance, and what its deployment does with it."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.aws.codedeploy import CodeDeploy
from deployer.aws.codedeploy_values import GroupSpec, TargetFacts
from deployer.backends.codedeploy.deployed import wiring_of
from deployer.backends.codedeploy.translate import group_for, method_of
from deployer.config.settings import FleetSettings
from deployer.engine.reports import Explanation
from deployer.rollout.kept import explain_kept
from deployer.rollout.preparation import on_ground
from deployer.rollout.why import facts, find, judged


def why(settings: FleetSettings, subject: str) -> Explanation:
    """Why an instance or slot is where it is. Raises UsageError for what is not in the fleet."""
    wiring = wiring_of(method_of(settings))
    with on_ground(wiring) as ground:
        kept = explain_kept(ground, subject)
        if kept is not None:
            return kept
        plan, seen = judged(ground)
        slot, one = find(seen, subject)
        instances = {one.id} if one is not None else {held.id for held in slot.occupants}
        group = group_for(wiring.settings, plan.balancers, None)
        lines = (*facts(seen, slot, one), *_deployments(CodeDeploy(wiring.session), group, instances))
        return Explanation(subject, lines)


def _deployments(api: CodeDeploy, group: GroupSpec, instances: set[str]) -> Iterator[str]:
    known = api.group(group.application, group.name) if api.has_application(group.application) else None
    running = api.running(group.application, group.name) if known is not None else ()
    if not running:
        yield f"CodeDeploy: no deployment runs on {group.name}"
    for deployment in running:
        yield f"CodeDeploy: the deployment {deployment.id} of {group.name} is {deployment.status.value}"
        for target in api.targets(deployment.id):
            if target.instance in instances:
                yield f"  {target.instance}: {target.progress.value}{_at(target)}"


def _at(target: TargetFacts) -> str:
    current = target.current
    return f", {current.name} {current.progress.value}" if current is not None else ""
