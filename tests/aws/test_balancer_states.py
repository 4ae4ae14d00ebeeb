"""Every state and reason that a balancer can give, in the model's words."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.aws import classic, targets
from deployer.model.fleet import TargetState
from deployer.model.outcome import Done
from tests.aws.wire import Reply, Wire, elb


@pytest.mark.parametrize(
    ("state", "reason", "meant"),
    [
        ("initial", "Elb.RegistrationInProgress", TargetState.INITIAL),
        ("initial", "Elb.InitialHealthChecking", TargetState.INITIAL),
        ("healthy", "", TargetState.HEALTHY),
        ("unhealthy", "Target.ResponseCodeMismatch", TargetState.UNHEALTHY),
        ("unhealthy", "Target.Timeout", TargetState.UNHEALTHY),
        ("unhealthy", "Target.FailedHealthChecks", TargetState.UNHEALTHY),
        ("unhealthy", "Elb.InternalError", TargetState.UNHEALTHY),
        ("unhealthy.draining", "Target.FailedHealthChecks", TargetState.UNHEALTHY),
        ("unused", "Target.NotRegistered", TargetState.ABSENT),
        ("unused", "Target.NotInUse", TargetState.UNUSED),
        ("unused", "Target.InvalidState", TargetState.UNUSED),
        ("unused", "Target.IpUnusable", TargetState.UNUSED),
        ("draining", "Target.DeregistrationInProgress", TargetState.DRAINING),
        ("unavailable", "Target.HealthCheckDisabled", TargetState.UNAVAILABLE),
        ("unavailable", "Elb.InternalError", TargetState.UNAVAILABLE),
        ("a state of next year", "", TargetState.UNKNOWN),
    ],
)
def test_target_group_states(state: str, reason: str, meant: TargetState) -> None:
    raw: Any = {"Target": {"Id": "i-1", "Port": 80}, "TargetHealth": {"State": state, "Reason": reason}}

    ident, port, target = targets.as_target(raw, 80)

    assert (ident, port, target.state, target.reason) == ("i-1", 80, meant, reason)


@pytest.mark.parametrize(
    ("state", "code", "description", "meant"),
    [
        ("InService", "N/A", "N/A", TargetState.HEALTHY),
        ("InService", "N/A", "Instance deregistration currently in progress.", TargetState.DRAINING),
        ("OutOfService", "ELB", "Instance registration is still in progress.", TargetState.INITIAL),
        (
            "OutOfService",
            "Instance",
            "Instance has not passed the configured HealthyThreshold number of health checks consecutively.",
            TargetState.INITIAL,
        ),
        (
            "OutOfService",
            "Instance",
            "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.",
            TargetState.UNHEALTHY,
        ),
        ("OutOfService", "Instance", "Instance is in stopped state.", TargetState.UNUSED),
        (
            "OutOfService",
            "ELB",
            "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured.",
            TargetState.UNUSED,
        ),
        ("OutOfService", "ELB", "A transient error occurred. Please try again later.", TargetState.UNAVAILABLE),
        ("Unknown", "ELB", "A transient error occurred.", TargetState.UNKNOWN),
    ],
)
def test_classic_states(state: str, code: str, description: str, meant: TargetState) -> None:
    raw: Any = {"InstanceId": "i-1", "State": state, "ReasonCode": code, "Description": description}

    assert classic.as_target(raw).state is meant


@pytest.mark.parametrize(
    ("registered", "ports"),
    [
        ({8080: "healthy"}, ()),
        ({8081: "healthy"}, (8081,)),
        ({8081: "healthy", 8080: "healthy"}, (8080, 8081)),
        ({8081: "healthy", 8082: "draining"}, (8081,)),
        ({8081: "draining", 8082: "draining"}, (8081, 8082)),
    ],
)
def test_the_ports_of_registrations_are_kept_to_watch_and_to_put_back(
    wire: Wire, registered: dict[int, str], ports: tuple[int, ...]
) -> None:
    wire.script["DescribeTargetHealth"] = [_healths(registered)]

    outcome = targets.health(wire.session().elbv2, "arn", 8080)

    assert isinstance(outcome, Done)
    assert outcome.value["i-1"].ports == ports


def _healths(registered: dict[int, str]) -> Reply:
    """DescribeTargetHealth with one instance, on these ports and in these states."""
    members = "".join(
        f"<member><Target><Id>i-1</Id><Port>{port}</Port></Target>"
        f"<TargetHealth><State>{state}</State></TargetHealth></member>"
        for port, state in registered.items()
    )
    inside = f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"
    return elb("DescribeTargetHealth", inside)


@pytest.mark.parametrize(
    ("states", "meant"),
    [
        (("healthy", "unhealthy"), TargetState.UNHEALTHY),
        (("draining", "healthy"), TargetState.HEALTHY),
        (("draining", "draining"), TargetState.DRAINING),
        (("initial", "healthy"), TargetState.INITIAL),
    ],
)
def test_registered_on_two_ports_it_is_as_healthy_as_the_worse_and_drained_only_when_both_are(
    wire: Wire, states: tuple[str, str], meant: TargetState
) -> None:
    wire.script["DescribeTargetHealth"] = [_healths(dict(enumerate(states, 8080)))]

    outcome = targets.health(wire.session().elbv2, "arn", 8080)

    assert isinstance(outcome, Done)
    assert outcome.value["i-1"].state is meant
