"""Reads the bookkeeping that moto keeps for ELBv2 into the frozen descriptions of `specs`.

moto's objects are untyped, and hold numbers now as text, now as integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deployer.lab.balancers.addresses import Addresses, bound_port
from deployer.lab.balancers.health import HealthCheck, Matcher
from deployer.lab.balancers.specs import (
    Action,
    FailOpen,
    FixedResponse,
    Forward,
    Kind,
    ListenerSpec,
    PoolSpec,
    Redirect,
    Rule,
    Share,
)

NETWORK_PROTOCOLS = frozenset({"TCP", "TLS", "UDP", "TCP_UDP"})
DELAY_CUT = "deregistration_delay.connection_termination.enabled"
SICK_CUT = "target_health_state.unhealthy.connection_termination.enabled"
SICK_DRAIN = "target_health_state.unhealthy.draining_interval_seconds"
NETWORK_IDLE_TIMEOUT = 350.0
"""Seconds of silence after which an NLB forgets a connection (listener attribute's default)."""


def pool_name(arn: str) -> str:
    """The pool of a target group; also the name of its cluster."""
    return "tg-" + arn.rsplit("/", 1)[1]


def listener_name(arn: str) -> str:
    """The name of a listener's spec."""
    return "listener-" + arn.rsplit("/", 1)[1]


def group_kind(group: Any) -> Kind:
    """Which kind of balancer a target group is for: its protocol decides."""
    return Kind.NETWORK if group.protocol in NETWORK_PROTOCOLS else Kind.APPLICATION


def target_group_arns(actions: Iterable[Any]) -> list[str]:
    """The target groups that a list of actions forwards to."""
    found = []
    for action in actions:
        groups = action.data.get("ForwardConfig", {}).get("TargetGroups", [])
        arns = [group["TargetGroupArn"] for group in groups]
        single = action.data.get("TargetGroupArn")
        found += arns or ([single] if single else [])
    return found


def balancers_using(balancers: Iterable[Any], arn: str) -> list[Any]:
    """The load balancers with a listener or rule that forwards to a target group."""
    return [
        balancer
        for balancer in balancers
        if any(
            arn in target_group_arns(rule.actions)
            for listener in list(balancer.listeners.values())
            for rule in list(listener.rules.values())
        )
    ]


def pool_spec(group: Any, balancers: Iterable[Any], addresses: Addresses) -> PoolSpec:
    """A target group with its attributes."""
    name = pool_name(group.arn)
    kind = group_kind(group)
    users = balancers_using(balancers, group.arn)
    attributes = group.attributes
    network = kind is Kind.NETWORK
    ends_sick = network and is_on(attributes, SICK_CUT, "true")
    return PoolSpec(
        name=name,
        kind=kind,
        check=health_check(group, kind),
        delay=float(attributes["deregistration_delay.timeout_seconds"]),
        attached=bool(users),
        zones=frozenset(subnet.availability_zone for balancer in users for subnet in balancer.subnets),
        fail_open=_fail_open(attributes),
        slow_start=float(attributes.get("slow_start.duration_seconds", 0)),
        algorithm=attributes.get("load_balancing.algorithm.type", "round_robin"),
        ends_connections=not network or is_on(attributes, DELAY_CUT),
        ends_sick_connections=ends_sick,
        unhealthy_drain=0.0 if ends_sick else float(attributes.get(SICK_DRAIN, 0)),
        source=addresses.source(name),
        idle_timeout=max((idle_timeout(balancer) for balancer in users), default=60.0),
    )


def is_on(attributes: Mapping[str, Any], key: str, default: str = "false") -> bool:
    """A boolean attribute: the API writes them as text."""
    return str(attributes.get(key, default)).lower() == "true"


def _fail_open(attributes: Mapping[str, Any]) -> FailOpen:
    prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets."
    percentage = str(attributes.get(prefix + "percentage", "off"))
    count = int(attributes.get(prefix + "count", 1))
    return FailOpen(count, None if percentage == "off" else int(percentage))


def health_check(group: Any, kind: Kind) -> HealthCheck:
    """A target group's health check."""
    port = str(group.health_check_port or "traffic-port")
    matcher = getattr(group, "matcher", None) or {}
    return HealthCheck(
        protocol="HTTP" if group.health_check_protocol == "HTTP" else "TCP",
        port=int(port) if port.isdigit() else None,
        path=group.health_check_path or "/",
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        healthy_threshold=int(group.healthy_threshold_count),
        unhealthy_threshold=int(group.unhealthy_threshold_count),
        matcher=Matcher.parse(matcher.get("HttpCode") or "200"),
        enabled=str(group.health_check_enabled).lower() == "true",
        first_pass_is_enough=kind is Kind.APPLICATION,
    )


def idle_timeout(balancer: Any) -> float:
    """A load balancer's idle timeout in seconds."""
    if balancer.type == "network":
        return NETWORK_IDLE_TIMEOUT
    return float(balancer.attrs.get("idle_timeout.timeout_seconds", 60))


def listener_specs(balancer: Any, groups: Mapping[str, Any], addresses: Addresses) -> list[ListenerSpec]:
    """A load balancer's listeners, given the target groups by ARN; one that cannot act is left out."""
    specs = []
    for listener in list(balancer.listeners.values()):
        rules = tuple(
            Rule(action, **_conditions(rule.conditions))
            for rule in sorted(listener.rules.values(), key=_rule_order)
            if (action := routed_action(rule.actions, groups)) is not None
        )
        http = balancer.type != "network"
        if not rules or not (http or isinstance(rules[-1].action, Forward)):
            continue
        port = int(listener.port)
        specs.append(
            ListenerSpec(
                name=listener_name(listener.arn),
                address=addresses.balancer(balancer.arn),
                port=bound_port(port),
                http=http,
                rules=rules,
                public_port=port,
                idle_timeout=idle_timeout(balancer),
            )
        )
    return specs


def _rule_order(rule: Any) -> tuple[bool, int]:
    return (True, 0) if rule.is_default else (False, int(rule.priority))


def _conditions(conditions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    headers = []
    for condition in conditions:
        match condition["Field"]:
            case "path-pattern":
                found["paths"] = _values(condition, "PathPatternConfig")
            case "host-header":
                found["hosts"] = _values(condition, "HostHeaderConfig")
            case "http-request-method":
                found["methods"] = _values(condition, "HttpRequestMethodConfig")
            case "http-header":
                name = condition["HttpHeaderConfig"]["HttpHeaderName"]
                headers.append((name, _values(condition, "HttpHeaderConfig")))
    return {**found, "headers": tuple(headers)}


def _values(condition: Mapping[str, Any], config: str) -> tuple[str, ...]:
    return tuple(condition.get(config, {}).get("Values") or condition.get("Values") or ())


def routed_action(actions: Iterable[Any], groups: Mapping[str, Any]) -> Action | None:
    """What a rule's last action does with a request; the authenticating ones before it are skipped."""
    for action in reversed(list(actions)):
        match action.type:
            case "forward":
                return _forward(action.data, groups)
            case "fixed-response":
                config = action.data["FixedResponseConfig"]
                body = config.get("MessageBody", "")
                return FixedResponse(int(config["StatusCode"]), config.get("ContentType", "text/plain"), body)
            case "redirect":
                return _redirect(action.data["RedirectConfig"])
    return None


def _forward(action: Mapping[str, Any], groups: Mapping[str, Any]) -> Action:
    config = action.get("ForwardConfig", {})
    entries = config.get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    shares = tuple(
        Share(
            pool_name(entry["TargetGroupArn"]),
            int(entry.get("Weight", 1)),
            _stickiness(groups.get(entry["TargetGroupArn"])),
        )
        for entry in entries
    )
    if not any(share.weight for share in shares):
        return FixedResponse(503)
    sticky = config.get("TargetGroupStickinessConfig", {})
    enabled = str(sticky.get("Enabled", False)).lower() == "true"
    return Forward(shares, float(sticky.get("DurationSeconds", 3600)) if enabled else None)


def _stickiness(group: Any) -> float | None:
    """The duration of a group's own cookie; an application's cookie is followed the same way."""
    if group is None or not is_on(group.attributes, "stickiness.enabled"):
        return None
    kind = "app_cookie" if group.attributes.get("stickiness.type") == "app_cookie" else "lb_cookie"
    return float(group.attributes.get(f"stickiness.{kind}.duration_seconds", 86400))


def _redirect(config: Mapping[str, Any]) -> Redirect:
    def changed(key: str, unchanged: str) -> str | None:
        value = config.get(key)
        return None if value in (None, unchanged) else str(value)

    port = changed("Port", "#{port}")
    protocol = changed("Protocol", "#{protocol}")
    return Redirect(
        status=int(str(config["StatusCode"]).removeprefix("HTTP_")),
        protocol=protocol.lower() if protocol else None,
        host=changed("Host", "#{host}"),
        port=int(port) if port else None,
        path=changed("Path", "/#{path}"),
    )
