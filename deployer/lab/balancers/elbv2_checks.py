"""What ELBv2 refuses and moto does not: each check raises the error that AWS answers with.

Ranges are those of the API reference (and of botocore's service model where it has them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from moto.elbv2.exceptions import ELBClientError

MOST_TARGETS = 1000
MOST_GROUPS = 5
HEAVIEST = 999

HEALTH_CHECK_RANGES: Mapping[str, tuple[str, int, int]] = {
    "healthcheck_interval_seconds": ("healthCheckIntervalSeconds", 5, 300),
    "healthcheck_timeout_seconds": ("healthCheckTimeoutSeconds", 2, 120),
    "healthy_threshold_count": ("healthyThresholdCount", 2, 10),
    "unhealthy_threshold_count": ("unhealthyThresholdCount", 2, 10),
}

ATTRIBUTE_RANGES: Mapping[str, tuple[int, int]] = {
    "deregistration_delay.timeout_seconds": (0, 3600),
    "target_health_state.unhealthy.draining_interval_seconds": (0, 360000),
    "stickiness.lb_cookie.duration_seconds": (1, 604800),
    "stickiness.app_cookie.duration_seconds": (1, 604800),
}

_HEALTH = "target_group_health"
ATTRIBUTE_KEYS = frozenset(
    {
        *ATTRIBUTE_RANGES,
        "deregistration_delay.connection_termination.enabled",
        "lambda.multi_value_headers.enabled",
        "load_balancing.algorithm.anomaly_mitigation",
        "load_balancing.algorithm.type",
        "load_balancing.cross_zone.enabled",
        "preserve_client_ip.enabled",
        "proxy_protocol_v2.enabled",
        "slow_start.duration_seconds",
        "stickiness.app_cookie.cookie_name",
        "stickiness.enabled",
        "stickiness.type",
        "target_failover.on_deregistration",
        "target_failover.on_unhealthy",
        "target_health_state.unhealthy.connection_termination.enabled",
        f"{_HEALTH}.dns_failover.minimum_healthy_targets.count",
        f"{_HEALTH}.dns_failover.minimum_healthy_targets.percentage",
        f"{_HEALTH}.unhealthy_state_routing.minimum_healthy_targets.count",
        f"{_HEALTH}.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "waf.fail_open.enabled",
    }
)

UNROUTED_CONDITIONS = frozenset({"query-string", "source-ip"})


def refuse(code: str, message: str) -> ELBClientError:
    """An error of the ELBv2 API."""
    return ELBClientError(code, message)


def check_health_check(settings: Mapping[str, Any]) -> None:
    """The ranges of a health check's numbers, where given (ValidationError)."""
    for name, (field, low, high) in HEALTH_CHECK_RANGES.items():
        value = settings.get(name)
        if value is None or low <= int(value) <= high:
            continue
        bound = f"greater than or equal to {low}" if int(value) < low else f"less than or equal to {high}"
        raise refuse(
            "ValidationError",
            f"1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: "
            f"Member must have value {bound}",
        )


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Keys and ranges of target group attributes (ValidationError, InvalidConfigurationRequest)."""
    for key, value in attributes.items():
        if key not in ATTRIBUTE_KEYS:
            raise refuse("ValidationError", f"Target group attribute key '{key}' is not recognized")
        if key in ATTRIBUTE_RANGES:
            low, high = ATTRIBUTE_RANGES[key]
            _check_number(key, value, low, high)
    slow_start = attributes.get("slow_start.duration_seconds")
    if slow_start is not None and slow_start != "0":
        _check_number("slow_start.duration_seconds", slow_start, 30, 900)
        if attributes.get("load_balancing.algorithm.type") == "least_outstanding_requests":
            raise refuse(
                "InvalidConfigurationRequest",
                "Slow start cannot be used with the least outstanding requests algorithm",
            )


def _check_number(key: str, value: str, low: int, high: int) -> None:
    if not (value.isdigit() and low <= int(value) <= high):
        raise refuse("ValidationError", f"'{key}' value '{value}' must be between '{low}-{high}' inclusive")


def check_actions(actions: Iterable[Mapping[str, Any]]) -> None:
    """Weights and the number of target groups of forward actions."""
    for action in actions:
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        if len(groups) > MOST_GROUPS:
            raise refuse(
                "TooManyUniqueTargetGroupsPerLoadBalancer",
                f"A forward action can have at most {MOST_GROUPS} target groups",
            )
        for group in groups:
            weight = int(group.get("Weight", 1))
            if not 0 <= weight <= HEAVIEST:
                raise refuse(
                    "ValidationError",
                    f"Weight '{weight}' of a target group must be between '0-{HEAVIEST}' inclusive",
                )


def check_conditions(conditions: Iterable[Mapping[str, Any]]) -> None:
    """The conditions that the lab's proxy cannot tell apart are refused rather than ignored."""
    for condition in conditions:
        if condition.get("Field") in UNROUTED_CONDITIONS:
            raise refuse(
                "ValidationError",
                f"The lab's balancers do not route by '{condition['Field']}'; use path-pattern, "
                "host-header, http-header or http-request-method",
            )
