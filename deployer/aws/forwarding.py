"""Traffic weights: read from and written to the forward actions of listeners and their rules.

ModifyRule and ModifyListener replace the whole list of actions, so the list is read, only weights are changed
in it, it is written as a whole, and read again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.aws.errors import attempt
from deployer.model.outcome import Done, Outcome, Permanent, Temporary

if TYPE_CHECKING:
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

LARGEST = 999
"""The largest weight of a target group (ELBv2 API reference, TargetGroupTuple)."""


@dataclass(frozen=True)
class Forwarding:
    """One rule that forwards to target groups; a default rule is written through its listener."""

    rule: str
    listener: str
    default: bool
    actions: tuple[Mapping[str, Any], ...]

    @property
    def groups(self) -> dict[str, int]:
        """Target group ARN → weight."""
        return {
            group["TargetGroupArn"]: int(group.get("Weight", 1))
            for action in self.actions
            for group in _groups_of(action)
        }


def forwardings(elbv2: ElasticLoadBalancingv2Client, balancers: Iterable[str]) -> list[Forwarding]:
    """Every rule of these load balancers that forwards anywhere. Raises vendor errors."""
    found: list[Forwarding] = []
    for balancer in sorted(set(balancers)):
        for page in elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer):
            for listener in page["Listeners"]:
                found.extend(_of_listener(elbv2, listener.get("ListenerArn", "")))
    return found


def _of_listener(elbv2: ElasticLoadBalancingv2Client, listener: str) -> list[Forwarding]:
    pages = elbv2.get_paginator("describe_rules").paginate(ListenerArn=listener)
    rules = [_forwarding(rule, listener) for page in pages for rule in page["Rules"]]
    return [rule for rule in rules if rule.groups]


def _forwarding(raw: Mapping[str, Any], listener: str) -> Forwarding:
    return Forwarding(raw.get("RuleArn", ""), listener, bool(raw.get("IsDefault")), tuple(raw.get("Actions", ())))


def again(elbv2: ElasticLoadBalancingv2Client, known: Sequence[Forwarding]) -> list[Forwarding]:
    """The same rules as they are now: one call for all of them. Raises vendor errors."""
    listeners = {rule.rule: rule.listener for rule in known}
    answer = elbv2.describe_rules(RuleArns=list(listeners))
    return [_forwarding(raw, listeners[raw.get("RuleArn", "")]) for raw in answer["Rules"]]


def splitting(rules: Iterable[Forwarding], ours: frozenset[str]) -> list[Forwarding]:
    """The rules that split their traffic among two or more of our target groups."""
    return [rule for rule in rules if len(ours & rule.groups.keys()) > 1]


def in_force(rules: Iterable[Forwarding], ours: frozenset[str]) -> dict[str, int]:
    """The weight of each of our target groups. Where rules disagree, the larger: it may get that traffic."""
    weights: dict[str, int] = {}
    for rule in rules:
        for group, weight in rule.groups.items():
            if group in ours:
                weights[group] = max(weight, weights.get(group, 0))
    return weights


def set_weights(
    elbv2: ElasticLoadBalancingv2Client, rules: Sequence[Forwarding], wanted: Mapping[str, int]
) -> Outcome[None]:
    """Writes `wanted` (ARN → 0–999) into every rule that forwards to one of its groups, and checks it."""
    concerned = [rule for rule in rules if wanted.keys() & rule.groups.keys()]
    if problem := _problem(concerned, wanted):
        return Permanent(problem, "InvalidWeights")
    for rule in concerned:
        if any(wanted.get(group, weight) != weight for group, weight in rule.groups.items()):
            written = _write(elbv2, rule, weighted(rule.actions, wanted))
            if not isinstance(written, Done):
                return written
    read = attempt(lambda: again(elbv2, concerned), "reading the weights back")
    if not isinstance(read, Done):
        return read
    for rule in read.value:
        if any(rule.groups.get(group) != weight for group, weight in wanted.items()):
            return Temporary(f"{rule.rule} does not show the weights {dict(wanted)} yet: {rule.groups}", 1.0)
    return Done(None)


def weighted(actions: Sequence[Mapping[str, Any]], wanted: Mapping[str, int]) -> list[dict[str, Any]]:
    """The actions as they must be written: with the weights of `wanted`, else unchanged. Pure."""
    changed = [copy.deepcopy(dict(action)) for action in actions]
    for action in changed:
        if "ForwardConfig" in action:
            # The ARN beside it repeats the configuration's only group; on writing the two may not differ.
            action.pop("TargetGroupArn", None)
        for group in _groups_of(action):
            group["Weight"] = wanted.get(group["TargetGroupArn"], group.get("Weight", 1))
        if "AuthenticateOidcConfig" in action:
            # The secret is never read out, and must not be asked for again.
            action["AuthenticateOidcConfig"]["UseExistingClientSecret"] = True
    return changed


def _problem(rules: Sequence[Forwarding], wanted: Mapping[str, int]) -> str | None:
    if bad := [f"{arn}: {weight}" for arn, weight in wanted.items() if not 0 <= weight <= LARGEST]:
        return f"a weight goes from 0 to {LARGEST}, not {', '.join(bad)}"
    if not rules:
        return f"no listener or rule forwards to {', '.join(sorted(wanted))}"
    for rule in rules:
        if missing := wanted.keys() - rule.groups.keys():
            return f"{rule.rule} does not forward to {', '.join(sorted(missing))}; add it there with weight 0"
        if not any(wanted.get(group, weight) for group, weight in rule.groups.items()):
            return f"{rule.rule} would be left with weight 0 on every side"
    return None


def _write(elbv2: ElasticLoadBalancingv2Client, rule: Forwarding, actions: list[dict[str, Any]]) -> Outcome[object]:
    body: Any = actions
    if rule.default:
        return attempt(
            lambda: elbv2.modify_listener(ListenerArn=rule.listener, DefaultActions=body),
            f"setting the weights of {rule.listener}",
        )
    return attempt(
        lambda: elbv2.modify_rule(RuleArn=rule.rule, Actions=body), f"setting the weights of {rule.rule}"
    )


def _groups_of(action: Mapping[str, Any]) -> list[dict[str, Any]]:
    if action.get("Type") != "forward":
        return []
    groups: list[dict[str, Any]] = action.get("ForwardConfig", {}).get("TargetGroups", [])
    if not groups and "TargetGroupArn" in action:
        return [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]
    return groups
