"""Every state and reason that a balancer can give, in the model's words."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.aws import classic, targets
from deployer.model.fleet import TargetState
from deployer.model.outcome import Done
from tests.aws.wire import Wire, elb


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

    ident, target = targets.as_target(raw, 80)

    assert (ident, target.state, target.reason, target.port) == ("i-1", meant, reason, None)


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


def test_a_registration_on_another_port_is_kept_for_its_undo() -> None:
    raw: Any = {"Target": {"Id": "i-1", "Port": 8081}, "TargetHealth": {"State": "healthy"}}

    assert targets.as_target(raw, 8080)[1].port == 8081


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
    members = "".join(
        f"<member><Target><Id>i-1</Id><Port>{8080 + index}</Port></Target>"
        f"<TargetHealth><State>{state}</State></TargetHealth></member>"
        for index, state in enumerate(states)
    )
    inside = f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"
    wire.script["DescribeTargetHealth"] = [elb("DescribeTargetHealth", inside)]

    outcome = targets.health(wire.session().elbv2, "arn", 8080)

    assert isinstance(outcome, Done)
    assert outcome.value["i-1"].state is meant
