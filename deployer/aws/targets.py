"""ALB and NLB target groups: who is in them and how they are, and putting instances in and out.

The states and reasons are those of botocore's ELBv2 model (TargetHealth).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from deployer.aws.batches import as_done, as_lag, bisect
from deployer.aws.errors import attempt
from deployer.engine.ports import Registration
from deployer.model.fleet import Target, TargetState
from deployer.model.outcome import Done, Outcome

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client
    from mypy_boto3_elbv2.type_defs import TargetDescriptionTypeDef, TargetHealthDescriptionTypeDef

BATCH = 100
"""Targets in one call."""

_STATES: Mapping[str, TargetState] = {
    "initial": TargetState.INITIAL,
    "healthy": TargetState.HEALTHY,
    "unhealthy": TargetState.UNHEALTHY,
    # An NLB target that turned unhealthy and still holds connections: no new ones come to it, but it was
    # not deregistered, so it is not drained.
    "unhealthy.draining": TargetState.UNHEALTHY,
    "unused": TargetState.UNUSED,
    "draining": TargetState.DRAINING,
    "unavailable": TargetState.UNAVAILABLE,
}

_ONE_BAD_TARGET = frozenset({"InvalidTarget"})

_WORST_FIRST = (
    TargetState.UNKNOWN,
    TargetState.UNUSED,
    TargetState.UNAVAILABLE,
    TargetState.UNHEALTHY,
    TargetState.INITIAL,
    TargetState.HEALTHY,
    TargetState.DRAINING,
    TargetState.ABSENT,
)


def health(elbv2: ElasticLoadBalancingv2Client, group: str, port: int) -> Outcome[dict[str, Target]]:
    """What one target group says of every target in it, by instance id: one call for the whole group.

    `port` is the group's own; what is registered with other ones, or with several, has them in `Target.ports`.
    """
    outcome = attempt(
        lambda: elbv2.describe_target_health(TargetGroupArn=group), f"asking {short(group)} for its targets"
    )
    if not isinstance(outcome, Done):
        return outcome
    found: dict[str, list[tuple[int, Target]]] = {}
    for raw in outcome.value.get("TargetHealthDescriptions", []):
        ident, own_port, target = as_target(raw, port)
        if target.state is not TargetState.ABSENT:
            found.setdefault(ident, []).append((own_port, target))
    return Done({ident: _together(there, port) for ident, there in found.items()}, outcome.request_id)


def _together(found: Sequence[tuple[int, Target]], port: int) -> Target:
    """One instance's registrations with a group as one: as healthy as the worst of them, and drained when all are.

    Its ports are those of the registrations that do not drain, as long as there are any.
    """
    worst = min((target for _, target in found), key=lambda one: _WORST_FIRST.index(one.state))
    staying = worst.state is not TargetState.DRAINING
    ports = {own for own, target in found if not staying or target.state is not TargetState.DRAINING}
    return replace(worst, ports=() if ports == {port} else tuple(sorted(ports)))


def as_target(raw: TargetHealthDescriptionTypeDef, port: int) -> tuple[str, int, Target]:
    """One line of DescribeTargetHealth: instance, port, and how it is; `port` is the group's own.

    A state that is new to us is UNKNOWN, never healthy.
    """
    at = raw.get("Target", {"Id": ""})
    said = raw.get("TargetHealth", {})
    reason = said.get("Reason", "")
    state = _STATES.get(said.get("State", ""), TargetState.UNKNOWN)
    if reason == "Target.NotRegistered":
        state = TargetState.ABSENT
    return at["Id"], int(at.get("Port", port)), Target(state, reason, said.get("Description", ""))


def register(
    elbv2: ElasticLoadBalancingv2Client, group: str, items: Sequence[Registration]
) -> dict[Registration, Outcome[None]]:
    """Registers, one call unless a target is bad.

    InvalidTarget is what ELBv2 says of an instance that is not running yet or that it has not heard of, so
    it is Temporary: whether to go on is for the caller's deadline to say.
    """

    def call(batch: Sequence[Registration]) -> Outcome[object]:
        return attempt(
            lambda: elbv2.register_targets(TargetGroupArn=group, Targets=[_target(item) for item in batch]),
            f"registering {_names(batch)} with {short(group)}",
        )

    return as_lag(bisect(items, call, _ONE_BAD_TARGET, size=BATCH), _ONE_BAD_TARGET)


def deregister(
    elbv2: ElasticLoadBalancingv2Client, group: str, items: Sequence[Registration]
) -> dict[Registration, Outcome[None]]:
    """Deregisters, one call unless a target is bad. Deregistering an absent target succeeds."""

    def call(batch: Sequence[Registration]) -> Outcome[object]:
        return attempt(
            lambda: elbv2.deregister_targets(TargetGroupArn=group, Targets=[_target(item) for item in batch]),
            f"deregistering {_names(batch)} from {short(group)}",
        )

    return as_done(bisect(items, call, _ONE_BAD_TARGET, size=BATCH), _ONE_BAD_TARGET)


def short(arn: str) -> str:
    """A target group's name out of its ARN: `targetgroup/NAME/0123` → NAME; other text as it is."""
    parts = arn.split("/")
    return parts[1] if ":targetgroup/" in arn and len(parts) > 1 else arn


def _target(item: Registration) -> TargetDescriptionTypeDef:
    return {"Id": item.instance} if item.port is None else {"Id": item.instance, "Port": item.port}


def _names(batch: Sequence[Registration]) -> str:
    return batch[0].instance if len(batch) == 1 else f"{len(batch)} instances"
