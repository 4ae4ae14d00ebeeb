"""Other people's tools against the lab: botocore's waiters and the AWS CLI's commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.balancers.conftest import REGION, Lab
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab


def aws(lab: Lab, *arguments: str) -> str:
    """Runs the AWS CLI; its output."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": lab.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_PAGER": "",
    }
    command = [str(Path(sys.executable).with_name("aws")), *arguments]
    return subprocess.run(
        command, env=environment, check=True, timeout=PATIENCE, capture_output=True, text=True
    ).stdout


def test_the_waiters_of_botocore_end(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.register(group, one)
    asked = {"TargetGroupArn": group, "Targets": [{"Id": one.id}]}
    fast = {"Delay": 1, "MaxAttempts": 30}
    lab.elbv2.get_waiter("load_balancer_available").wait(Names=["web"], WaiterConfig=fast)
    lab.elbv2.get_waiter("target_in_service").wait(**asked, WaiterConfig=fast)
    lab.deregister(group, one)
    lab.elbv2.get_waiter("target_deregistered").wait(**asked, WaiterConfig=fast)


def test_the_aws_cli_waits_for_and_describes_targets(lab: Lab) -> None:
    group = lab.group("web")
    lab.front("web", group)
    one = lab.instance()
    lab.in_service(group, one)
    aws(lab, "elbv2", "wait", "target-in-service", "--target-group-arn", group)
    shown = json.loads(aws(lab, "elbv2", "describe-target-health", "--target-group-arn", group))
    assert shown["TargetHealthDescriptions"] == [
        {
            "Target": {"Id": one.id, "Port": 8080},
            "HealthCheckPort": "8080",
            "TargetHealth": {"State": "healthy"},
        }
    ]


def test_the_real_endpoint_is_a_tag_of_the_balancer(lab: Lab) -> None:
    lab.front("web", lab.group("web"))
    balancer = lab.elbv2.describe_load_balancers(Names=["web"])["LoadBalancers"][0]
    described = lab.elbv2.describe_tags(ResourceArns=[balancer["LoadBalancerArn"]])["TagDescriptions"][0]
    host, port = lab.balancers.endpoints()["web"]
    assert host == balancer["DNSName"]
    assert {"Key": "lab:endpoint", "Value": f"{host}:{port}"} in described["Tags"]
