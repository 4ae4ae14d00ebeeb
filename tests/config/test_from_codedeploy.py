"""A deployment group becomes settings that are read back, and what has no counterpart is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployer.config.document import read_document
from deployer.config.from_codedeploy import balancer_names, group_names, tag_filters, translated
from deployer.config.reader import read_fleets
from deployer.config.rollout import RolloutSettings
from deployer.config.settings import FleetSettings
from deployer.config.starter import Draft, starter
from deployer.model.capacity import Amount
from deployer.model.policy import Method, OnFailure

ONE = {"Key": "Role", "Value": "web", "Type": "KEY_AND_VALUE"}
TWO = {"Key": "Stage", "Value": "live", "Type": "KEY_AND_VALUE"}
GROUP: dict[str, Any] = {
    "applicationName": "shop",
    "deploymentGroupName": "web",
    "deploymentConfigName": "CodeDeployDefault.OneAtATime",
    "serviceRoleArn": "arn:aws:iam::123456789012:role/codedeploy",
    "deploymentStyle": {"deploymentType": "IN_PLACE", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    "autoRollbackConfiguration": {"enabled": True, "events": ["DEPLOYMENT_FAILURE"]},
}


def read(
    tmp_path: Path, info: dict[str, Any], config: dict[str, Any] | None = None, size: int = 9
) -> FleetSettings:
    """The settings that come of a deployment group, through the file that is written."""
    draft = translated(Draft("web", {"Role": "web"}), {**GROUP, **info}, config, size)
    path = tmp_path / "deployer.toml"
    path.write_text(starter(draft))
    return read_fleets(read_document(path))["web"]


def pace(rollout: RolloutSettings) -> tuple[str, str, str]:
    return rollout.strategy, ",".join(map(str, rollout.batch)), str(rollout.floor)


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("CodeDeployDefault.OneAtATime", None, ("one-at-a-time", "25%", "None")),
        ("CodeDeployDefault.HalfAtATime", None, ("rolling", "50%", "50%")),
        ("CodeDeployDefault.AllAtOnce", None, ("all-at-once", "25%", "None")),
        ("ours", {"minimumHealthyHosts": {"type": "FLEET_PERCENT", "value": 75}}, ("rolling", "25%", "75%")),
        ("ours", {"minimumHealthyHosts": {"type": "HOST_COUNT", "value": 4}}, ("rolling", "5", "4")),
        ("ours", {"minimumHealthyHosts": {"type": "HOST_COUNT", "value": 12}}, ("rolling", "25%", "12")),
        ("gone", None, ("rolling", "25%", "None")),
    ],
)
def test_a_configuration_becomes_strategy_batch_and_floor(
    name: str, config: dict[str, Any] | None, expected: tuple[str, str, str], tmp_path: Path
) -> None:
    assert pace(read(tmp_path, {"deploymentConfigName": name}, config).rollout) == expected


def test_a_zonal_configuration_becomes_zone_by_zone_and_its_times_are_named(tmp_path: Path) -> None:
    config = {"minimumHealthyHosts": {"type": "FLEET_PERCENT", "value": 50}, "zonalConfig": {}}
    config["zonalConfig"] = {"monitorDurationInSeconds": 60}
    rollout = read(tmp_path, {"deploymentConfigName": "zonal"}, config).rollout
    assert pace(rollout) == ("zone-by-zone", "50%", "50%")
    assert "times and minimum of the zonal configuration zonal" in (tmp_path / "deployer.toml").read_text()


def test_revision_role_alarms_and_ways_back_are_carried_over(tmp_path: Path) -> None:
    location = {"bucket": "releases", "key": "web/7.zip", "version": "v1"}
    settings = read(
        tmp_path,
        {
            "targetRevision": {"revisionType": "S3", "s3Location": location},
            "alarmConfiguration": {"enabled": True, "alarms": [{"name": "shop-5xx"}]},
            "autoRollbackConfiguration": {"enabled": False},
        },
    )
    assert settings.release.bundle == "s3://releases/web/7.zip?versionId=v1"
    own = settings.codedeploy
    assert (own.application, own.group, own.bucket, own.service_role) == (
        "shop",
        "web",
        "releases",
        "arn:aws:iam::123456789012:role/codedeploy",
    )
    assert [gate.use for gate in settings.gates] == ["alarms"]
    assert settings.rollout.on_failure is OnFailure.STOP
    assert settings.rollout.method is Method.IN_PLACE


def test_blue_green_relaunches_and_its_waits_are_named(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        {
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "blueGreenDeploymentConfiguration": {
                "terminateBlueInstancesOnDeploymentSuccess": {"terminationWaitTimeInMinutes": 5},
                "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT"},
            },
        },
    )
    assert (settings.rollout.strategy, settings.rollout.method) == ("blue-green", Method.RELAUNCH)
    assert settings.codedeploy.group is None, "the backend makes its own for blue/green"
    text = (tmp_path / "deployer.toml").read_text()
    assert "set `keep` in [fleet.NAME.rollout.settings] to 300 seconds" in text
    assert "traffic is switched by hand" in text


@pytest.mark.parametrize(
    ("info", "sentence"),
    [
        ({"triggerConfigurations": [{"triggerName": "t", "triggerTargetArn": "arn:topic"}]}, "the trigger t"),
        ({"terminationHookEnabled": True}, "the termination hook"),
        ({"outdatedInstancesStrategy": "IGNORE"}, "outdatedInstancesStrategy"),
        ({"onPremisesInstanceTagFilters": [ONE]}, "on premises"),
        ({"autoScalingGroups": ["a", "b"]}, "several Auto Scaling groups (a, b)"),
        ({"targetRevision": {"revisionType": "GitHub"}}, "comes from GitHub"),
        ({"autoRollbackConfiguration": {"events": ["DEPLOYMENT_STOP_ON_REQUEST"]}}, "when a deployment is stopped"),
    ],
)
def test_what_has_no_counterpart_is_named_in_the_file(info: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    read(tmp_path, info)
    remarks = (tmp_path / "deployer.toml").read_text().partition("without a counterpart")[2]
    assert sentence in remarks


@pytest.mark.parametrize(
    ("info", "tags", "any_of"),
    [
        ({"ec2TagFilters": [ONE]}, {"Role": "web"}, []),
        ({"ec2TagFilters": [ONE, TWO]}, {}, [ONE, TWO]),
        ({"ec2TagSet": {"ec2TagSetList": [[ONE], [TWO]]}}, {"Role": "web", "Stage": "live"}, []),
        ({"ec2TagSet": {"ec2TagSetList": [[ONE], [TWO, ONE]]}}, {}, []),
        ({"ec2TagFilters": [{"Key": "Role", "Type": "KEY_ONLY"}]}, {}, [{"Key": "Role", "Type": "KEY_ONLY"}]),
        ({}, {}, []),
    ],
)
def test_filters_that_all_must_fit_are_tags_and_others_are_looked_up(
    info: dict[str, Any], tags: dict[str, str], any_of: list[dict[str, str]]
) -> None:
    found = tag_filters(info)
    assert (dict(found[0]), list(found[1])) == (tags, any_of)


def test_balancers_count_only_where_traffic_is_controlled() -> None:
    info = {
        **GROUP,
        "loadBalancerInfo": {"targetGroupInfoList": [{"name": "web"}], "elbInfoList": [{"name": "old"}]},
    }
    assert balancer_names(info) == ("web", "old")
    assert balancer_names({**info, "deploymentStyle": {"deploymentOption": "WITHOUT_TRAFFIC_CONTROL"}}) == ()


def test_groups_are_read_in_both_shapes_of_the_api() -> None:
    assert group_names({"autoScalingGroups": [{"name": "a", "hook": "h"}, "b"]}) == ("a", "b")


def test_a_remark_cannot_end_its_comment(tmp_path: Path) -> None:
    read(tmp_path, {"triggerConfigurations": [{"triggerName": "t\n[fleet.evil]", "triggerTargetArn": "x"}]})
    assert list(read_fleets(read_document(tmp_path / "deployer.toml"))) == ["web"]


@pytest.mark.parametrize("value", ['a"b', "a\\b", "ü", "a b", "a.b", "#"])
def test_any_text_is_read_back_as_it_was(value: str, tmp_path: Path) -> None:
    path = tmp_path / "deployer.toml"
    path.write_text(starter(Draft("web", {value: value}, balancers=(value,), release="1", path="/x")))
    settings = read_fleets(read_document(path))["web"]
    assert settings.find.tags == {value: value}
    assert settings.rollout.batch == (Amount(25, percent=True),)
