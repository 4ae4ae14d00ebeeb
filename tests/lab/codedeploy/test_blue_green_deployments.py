"""Blue/green deployments to instances that were provided, by what the API documents of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.codedeploy.conftest import CodeDeployLab, wait_until

pytestmark = pytest.mark.lab


def blue_green(action: str, wait: int, blue: str = "KEEP_ALIVE") -> dict[str, Any]:
    return {
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "blueGreenDeploymentConfiguration": {
            "greenFleetProvisioningOption": {"action": "DISCOVER_EXISTING"},
            "deploymentReadyOption": {"actionOnTimeout": action, "waitTimeInMinutes": wait},
            "terminateBlueInstancesOnDeploymentSuccess": {"action": blue, "terminationWaitTimeInMinutes": 0},
        },
        "deploymentConfigName": "CodeDeployDefault.AllAtOnce",
    }


def launch_green(lab: CodeDeployLab, count: int, tag: str) -> list[str]:
    """Instances like the fleet's own, which no balancer knows."""
    ec2 = lab.client("ec2")
    model = ec2.describe_instances(Filters=[{"Name": "tag:Role", "Values": ["web"]}])["Reservations"][0][
        "Instances"
    ][0]
    made = ec2.run_instances(
        ImageId=model["ImageId"],
        InstanceType=model["InstanceType"],
        KeyName=model["KeyName"],
        SubnetId=model["SubnetId"],
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Side", "Value": tag}]}],
    )
    ids = [one["InstanceId"] for one in made["Instances"]]
    wait_until(
        lambda: all(
            one["State"]["Name"] == "running"
            for r in ec2.describe_instances(InstanceIds=ids)["Reservations"]
            for one in r["Instances"]
        )
    )
    return ids


def test_green_takes_over_when_it_is_continued_and_blue_is_terminated(lab: CodeDeployLab) -> None:
    group = lab.group("blue-green", **blue_green("STOP_DEPLOYMENT", 5, blue="TERMINATE"))
    ec2 = lab.client("ec2")
    blue = {
        one["InstanceId"]
        for r in ec2.describe_instances(Filters=[{"Name": "tag:Role", "Values": ["web"]}])["Reservations"]
        for one in r["Instances"]
    }
    green = launch_green(lab, 2, "green-1")
    chosen = {"tagFilters": [{"Key": "Side", "Value": "green-1", "Type": "KEY_AND_VALUE"}]}
    deployment = lab.start(group, lab.push("green.zip", 2), targetInstances=chosen)

    lab.until(deployment, "Ready")
    assert {t["instanceLabel"] for n, t in lab.targets(deployment).items() if n in green} == {"Green"}
    assert lab.healthy() == 3, "no traffic moves before it is told to"
    lab.deploy.continue_deployment(deploymentId=deployment, deploymentWaitType="READY_WAIT")
    lab.until(deployment, "Succeeded")

    targets = lab.targets(deployment)
    assert {targets[name]["instanceLabel"] for name in blue} == {"Blue"}
    assert [e["lifecycleEventName"] for e in targets[next(iter(blue))]["lifecycleEvents"]] == [
        "BeforeBlockTraffic",
        "BlockTraffic",
        "AfterBlockTraffic",
    ]
    taken_over = max(e["startTime"] for n in green for e in targets[n]["lifecycleEvents"])
    assert taken_over <= min(targets[n]["lifecycleEvents"][0]["startTime"] for n in blue)
    assert lab.healthy() == 2
    states = {
        one["State"]["Name"]
        for r in ec2.describe_instances(InstanceIds=sorted(blue))["Reservations"]
        for one in r["Instances"]
    }
    assert states <= {"shutting-down", "terminated"}
