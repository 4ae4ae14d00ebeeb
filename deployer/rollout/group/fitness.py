"""What speaks against a plan on the Auto Scaling group that the fleet lives in. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.aws.errors import before_anything
from deployer.aws.groups import AwsGroup, GroupFacts
from deployer.aws.session import AwsSession
from deployer.config.settings import FleetSettings
from deployer.engine.plan import RolloutPlan
from deployer.model.errors import PreflightRefused
from deployer.model.policy import Method


def refuse_misfit(session: AwsSession, settings: FleetSettings, plan: RolloutPlan, *, launches: bool) -> None:
    """Raises PreflightRefused for a plan that the fleet's group, or a fleet without one, cannot be put through.

    `launches`: the backend changes the group itself.
    """
    group = settings.find.asg
    if plan.pre_scale and (group is None or not launches):
        raise PreflightRefused(
            f"pre_scale has the native backend scale out an Auto Scaling group, and fleet {plan.fleet} is "
            + (
                f"rolled out by {settings.rollout.backend}"
                if group is not None
                else "not found by one (`find.asg`)"
            )
            + "; leave pre_scale out"
            + (", and allow a surge instead" if group is None else "")
        )
    if group is None or not launches:
        return
    with before_anything(f"looking at the Auto Scaling group {group}"):
        facts = AwsGroup(session, group).describe()
    problems = [*misfits(facts, plan)]
    if problems:
        raise PreflightRefused("; ".join(problems))


def misfits(facts: GroupFacts, plan: RolloutPlan) -> Iterator[str]:
    """What speaks against it, a sentence each. Pure."""
    kind = plan.goal.instance_type
    if kind is not None and set(facts.own_types) - {kind}:
        yield (
            f"the mixed-instances policy of {facts.name} chooses among {', '.join(facts.own_types)}, so what it "
            f"launches next need not be a {kind}; make {kind} the only type of its overrides, or remove them, and "
            "roll out then, or leave instance_type out"
        )
    names = {balancer.id: balancer.name for balancer in plan.balancers}
    if plan.sides is not None:
        live, idle = (names.get(side, side) for side in plan.sides)
        yield (
            f"strategy {plan.strategy} would shift traffic from {live} to {idle} by weight, but the Auto Scaling "
            f"group {facts.name} registers all its instances alike, so the two sides cannot be told apart; set "
            f'balancers = ["{live}"], and blue-green and canary go by registration instead'
        )
    yield from _other_ports(facts, plan)
    missing = [name for ident, name in names.items() if ident not in facts.pools]
    if plan.pre_scale and missing:
        yield (
            f"pre_scale has {facts.name} launch instances, but the group is not attached to {', '.join(missing)}, "
            "so they would get no traffic; attach it, or leave pre_scale out"
        )


def _other_ports(facts: GroupFacts, plan: RolloutPlan) -> Iterator[str]:
    """A group registers what it takes in on the target group's own port: a successor on another would not be."""
    names = {balancer.id: balancer.name for balancer in plan.balancers}
    found = next(((slot, *there) for slot in plan.slots for there in slot.ports), None)
    if found is None or plan.policy.method is not Method.RELAUNCH:
        return
    slot, balancer, ports = found
    yield (
        f"{slot.instance} is registered with {names.get(balancer, balancer)} on port {', '.join(map(str, ports))}, "
        f"and the Auto Scaling group {facts.name} registers what takes its place on the target group's own port; "
        "make that the target group's port, or use --method in-place"
    )
