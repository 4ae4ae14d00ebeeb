"""On which ports an instance belongs to a balancer: those of before the rollout touched it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.engine.memory import Facts, Memory
from deployer.engine.plan import RolloutPlan
from deployer.model.fleet import Target, TargetState

_NOT_IN = (TargetState.ABSENT, TargetState.DRAINING, TargetState.UNKNOWN)


def ports_for(plan: RolloutPlan, memory: Memory, slot: str, instance: str, balancer: str) -> tuple[int, ...]:
    """The ports to register an instance with; empty for the balancer's own.

    They are those it had, else those of the place that it takes: as planned, or as its last holder had them. A
    place that nobody planned, and whose holder was registered nowhere, takes those that all planned places share.
    """
    known, held = memory.facts(instance).ports, memory.slot(slot).ports
    if balancer in known:
        return known[balancer]
    if plan.has_slot(slot) or balancer in held:
        return plan.ports_of(slot, balancer) or held.get(balancer, ())
    return plan.common_ports(balancer)


def follow_ports(
    plan: RolloutPlan, memory: Memory, slot: str, instance: str, targets: Mapping[str, Target]
) -> None:
    """Remembers every port that an instance is sent to, and its registrations until the rollout changes them."""
    facts = memory.facts(instance)
    for balancer in plan.balancers:
        target = targets.get(balancer.id)
        if target is None or target.state in (TargetState.ABSENT, TargetState.UNKNOWN):
            continue
        now = frozenset(target.ports) or balancer.ports
        facts.sent_to[balancer.id] = facts.sent_to.get(balancer.id, frozenset()) | now
        if not facts.touched:
            facts.ports[balancer.id] = memory.slot(slot).ports[balancer.id] = target.ports


def sent_to(plan: RolloutPlan, facts: Facts, slot: str, targets: Mapping[str, Target]) -> frozenset[int]:
    """The ports that balancers send to on an instance, or have sent to.

    Of one that left a balancer before this process began, they are those that were planned for its slot.
    """
    found: frozenset[int] = frozenset()
    for balancer in plan.balancers:
        if balancer.id in targets:
            known = facts.sent_to.get(balancer.id, frozenset()) | frozenset(plan.ports_of(slot, balancer.id))
            found |= known or balancer.ports
    return found


def lacking(
    plan: RolloutPlan, memory: Memory, slot: str, instance: str, targets: Mapping[str, Target]
) -> frozenset[str]:
    """The balancers that a rollout put it into, and that do not have it on all of its ports yet (fault 28)."""
    if not memory.facts(instance).touched:
        return frozenset()
    found = set[str]()
    for balancer in plan.balancers:
        target = targets.get(balancer.id)
        if target is None or target.state in _NOT_IN:
            continue
        wanted = frozenset(ports_for(plan, memory, slot, instance, balancer.id)) or balancer.ports
        if not wanted <= (frozenset(target.ports) or balancer.ports):
            found.add(balancer.id)
    return frozenset(found)
