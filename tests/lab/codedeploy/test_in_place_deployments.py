"""In-place deployments over the lab's machines, by what the API documents of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.codedeploy.conftest import APPLICATION, CodeDeployLab, wait_until
from tests.patience import PATIENCE

pytestmark = pytest.mark.lab

EVENTS = [
    "BeforeBlockTraffic",
    "BlockTraffic",
    "AfterBlockTraffic",
    "ApplicationStop",
    "DownloadBundle",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
]
BROKEN = "#!/bin/sh\necho the shop cannot start here\nexit 7\n"


def test_the_aws_cli_creates_a_deployment_and_waits_for_its_success(lab: CodeDeployLab) -> None:
    group = lab.group("cli", deploymentConfigName="CodeDeployDefault.HalfAtATime")
    lab.push("cli.zip", 2)

    def aws(*words: str) -> str:
        command = [str(Path(sys.executable).parent / "aws"), "deploy", *words, "--output", "text"]
        done = subprocess.run(
            command, env=lab.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    place = ["--s3-location", "bucket=deploys,key=cli.zip,bundleType=zip"]
    names = ["--application-name", APPLICATION, "--deployment-group-name", group]
    deployment = aws("create-deployment", *names, *place, "--query", "deploymentId")
    aws("wait", "deployment-successful", "--deployment-id", deployment)

    assert lab.info(deployment)["deploymentOverview"]["Succeeded"] == 3
    for target in lab.targets(deployment).values():
        assert [event["lifecycleEventName"] for event in target["lifecycleEvents"]] == EVENTS
        starts = [event["startTime"] for event in target["lifecycleEvents"]]
        assert starts == sorted(starts)
    assert lab.healthy() == 3
    assert (
        lab.deploy.get_deployment_group(applicationName=APPLICATION, deploymentGroupName=group)[
            "deploymentGroupInfo"
        ]["lastSuccessfulDeployment"]["deploymentId"]
        == deployment
    )


def test_a_failing_hook_is_diagnosed_and_the_last_good_revision_comes_back_as_a_new_deployment(
    lab: CodeDeployLab,
) -> None:
    group = lab.group("failing", autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]})
    good = lab.push("good.zip", 1)
    lab.until(lab.start(group, good, deploymentConfigName="CodeDeployDefault.AllAtOnce"), "Succeeded")

    failed = lab.start(group, lab.push("bad.zip", 2, **{"hooks/application-start": BROKEN}))
    info = lab.until(failed, "Failed")

    assert info["errorInformation"]["code"] == "HEALTH_CONSTRAINTS"
    assert info["previousRevision"] == good
    assert info["deploymentOverview"] | {"Failed": 1, "Skipped": 2} == info["deploymentOverview"]
    broken = [t for t in lab.targets(failed).values() if t["status"] == "Failed"]
    event = next(e for e in broken[0]["lifecycleEvents"] if e["status"] == "Failed")
    assert event["lifecycleEventName"] == "ApplicationStart"
    assert event["diagnostics"]["errorCode"] == "ScriptFailed"
    assert event["diagnostics"]["scriptName"] == "hooks/application-start"
    assert "the shop cannot start here" in event["diagnostics"]["logTail"]
    after = EVENTS[EVENTS.index("ApplicationStart") + 1 :]
    assert {e["status"] for e in broken[0]["lifecycleEvents"] if e["lifecycleEventName"] in after} == {"Skipped"}

    back = wait_until(lambda: lab.info(failed).get("rollbackInfo", {}).get("rollbackDeploymentId"))
    rolled = lab.until(back, "Succeeded", "Failed")
    assert rolled["status"] == "Succeeded"
    assert rolled["creator"] == "codeDeployRollback"
    assert rolled["revision"] == good
    assert rolled["rollbackInfo"]["rollbackTriggeringDeploymentId"] == failed
    assert next(iter(lab.targets(back))) == broken[0]["targetId"], "the unhealthy instance comes first"
    assert lab.healthy() == 3


def test_a_group_has_one_deployment_at_a_time_and_a_stopped_one_begins_nothing_more(lab: CodeDeployLab) -> None:
    group = lab.group("stopping")
    revision = lab.push("stop.zip", 2)
    first = lab.start(group, revision)

    with pytest.raises(ClientError, match="DeploymentLimitExceededException"):
        lab.start(group, revision)
    lab.until(first, "InProgress")
    lab.deploy.stop_deployment(deploymentId=first)
    stopped = lab.until(first, "Stopped")

    assert stopped["deploymentOverview"]["Succeeded"] + stopped["deploymentOverview"]["Failed"] <= 1
    assert stopped["deploymentOverview"]["Skipped"] >= 2
    with pytest.raises(ClientError, match="DeploymentAlreadyCompletedException"):
        lab.deploy.stop_deployment(deploymentId=first)
    lab.until(lab.start(group, revision, deploymentConfigName="CodeDeployDefault.AllAtOnce"), "Succeeded")


def test_a_zone_is_through_before_the_next_begins(lab: CodeDeployLab) -> None:
    lab.deploy.create_deployment_config(
        deploymentConfigName="zonal",
        minimumHealthyHosts={"type": "HOST_COUNT", "value": 0},
        zonalConfig={"monitorDurationInSeconds": 1},
    )
    group = lab.group("zonal", deploymentConfigName="zonal")
    deployment = lab.start(group, lab.push("zonal.zip", 2))
    lab.until(deployment, "Succeeded")

    zones = {
        instance["InstanceId"]: instance["Placement"]["AvailabilityZone"]
        for reservation in lab.client("ec2").describe_instances()["Reservations"]
        for instance in reservation["Instances"]
    }
    spans: dict[str, list[tuple[Any, Any]]] = {}
    for name, target in lab.targets(deployment).items():
        events = target["lifecycleEvents"]
        spans.setdefault(zones[name], []).append((events[0]["startTime"], events[-1]["endTime"]))
    (_, first), (_, second) = sorted(spans.items())
    assert max(end for _, end in first) < min(begin for begin, _ in second)


def test_a_revision_that_is_not_in_s3_fails_at_downloadbundle(lab: CodeDeployLab) -> None:
    group = lab.group(
        "missing",
        deploymentStyle={"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"},
    )
    missing = {"revisionType": "S3", "s3Location": {"bucket": "deploys", "key": "none.zip", "bundleType": "zip"}}
    deployment = lab.start(group, missing)
    lab.until(deployment, "Failed")

    failed = next(t for t in lab.targets(deployment).values() if t["status"] == "Failed")
    event = next(e for e in failed["lifecycleEvents"] if e["status"] == "Failed")
    assert event["lifecycleEventName"] == "DownloadBundle"
    assert "The specified key does not exist" in event["diagnostics"]["message"]
    assert "BlockTraffic" not in {e["lifecycleEventName"] for e in failed["lifecycleEvents"]}


def test_an_alarm_that_goes_off_stops_the_deployment_and_the_last_good_revision_comes_back(
    lab: CodeDeployLab,
) -> None:
    watching = lab.client("cloudwatch")
    metric = {"Namespace": "Shop", "MetricName": "Errors"}
    bar: dict[str, Any] = {"EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "GreaterThanThreshold"}
    watching.put_metric_alarm(
        AlarmName="errors", **metric, Statistic="Sum", Period=60, TreatMissingData="notBreaching", **bar
    )
    group = lab.group(
        "alarmed",
        deploymentConfigName="CodeDeployDefault.OneAtATime",
        alarmConfiguration={"enabled": True, "alarms": [{"name": "errors"}]},
        autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_STOP_ON_ALARM"]},
    )
    good, bad = lab.push("quiet.zip", 1), lab.push("alarming.zip", 2)
    first = lab.start(group, good, deploymentConfigName="CodeDeployDefault.AllAtOnce")
    assert lab.until(first, "Succeeded", "Failed", "Stopped")["status"] == "Succeeded"

    second = lab.start(group, bad)
    lab.until(second, "InProgress")
    data = [{"MetricName": "Errors", "Value": 99.0}]
    watching.put_metric_data(Namespace="Shop", MetricData=data)
    stopped = lab.until(second, "Succeeded", "Failed", "Stopped")
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "ALARM_ACTIVE")
    assert stopped["deploymentOverview"]["Succeeded"] < 3
    back = wait_until(lambda: lab.info(second).get("rollbackInfo", {}).get("rollbackDeploymentId"))
    rolled = lab.until(back, "Succeeded", "Failed", "Stopped")
    assert (rolled["status"], rolled["revision"]) == ("Succeeded", good)


def side_bundle(lab: CodeDeployLab, name: str, folder: str, ends_with: int = 0) -> dict[str, Any]:
    """A revision of one file for `folder`. Its ApplicationStop leaves its name there; its start ends as ordered."""
    spec = (
        f"version: 0.0\nos: linux\nfiles:\n  - source: note\n    destination: {folder}\n"
        f"permissions:\n  - object: {folder}\n    pattern: note\n    owner: deploy\n    mode: '640'\n"
        "    type: [file]\nhooks:\n  ApplicationStop:\n    - location: stop.sh\n"
        "  ApplicationStart:\n    - location: start.sh\n      runas: deploy\n"
    )
    stop = f"#!/bin/sh\necho {name} >>{folder}/stopped\n"
    start = f"#!/bin/sh\nid -un >/tmp/{Path(folder).name}-by\nexit {ends_with}\n"
    return lab.push_files(f"{name}.zip", {"appspec.yml": spec, "note": name, "stop.sh": stop, "start.sh": start})


PLAIN: dict[str, Any] = {
    "deploymentStyle": {"deploymentType": "IN_PLACE", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"},
    "loadBalancerInfo": {},
}
EVERYWHERE = {"deploymentConfigName": "CodeDeployDefault.AllAtOnce"}


def test_two_groups_on_one_host_leave_each_others_files_and_scripts_alone(lab: CodeDeployLab) -> None:
    """As the agent does, which keeps what it installed, and what succeeded, by the deployment group's id."""
    one, two = lab.group("side-one", **PLAIN), lab.group("side-two", **PLAIN)
    for group, name in ((one, "one-1"), (two, "two-1"), (one, "one-2")):
        lab.until(lab.start(group, side_bundle(lab, name, f"/opt/{group}"), **EVERYWHERE), "Succeeded")

    assert lab.on_a_machine("cat /opt/side-one/note /opt/side-one/stopped") == "one-2one-1"
    assert lab.on_a_machine("cat /opt/side-two/note; ls /opt/side-two") == "two-1note"
    assert lab.healthy() == 3


def test_owner_mode_and_runas_are_those_of_the_appspec(lab: CodeDeployLab) -> None:
    group = lab.group("side-owned", **PLAIN)
    lab.until(lab.start(group, side_bundle(lab, "owned", f"/opt/{group}"), **EVERYWHERE), "Succeeded")
    deploy = lab.on_a_machine("id -u deploy")
    told = lab.on_a_machine("stat -c '%u %a' /opt/side-owned/note /tmp/side-owned-by")
    assert told.splitlines() == [f"{deploy} 640", f"{deploy} 644"]


def test_a_revision_is_the_last_successful_one_from_its_install_on(lab: CodeDeployLab) -> None:
    """Also one whose later scripts fail: the next ApplicationStop is its own (command_executor.rb)."""
    group = lab.group("side-failing", **PLAIN)
    for name, ends_with, status in (("good", 0, "Succeeded"), ("bad", 1, "Failed"), ("next", 0, "Succeeded")):
        lab.until(lab.start(group, side_bundle(lab, name, f"/opt/{group}", ends_with), **EVERYWHERE), status)

    assert lab.on_a_machine("cat /opt/side-failing/stopped").split() == ["good", "bad"]
