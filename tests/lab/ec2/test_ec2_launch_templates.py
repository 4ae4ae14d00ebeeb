"""Launch templates, and launches from them."""

from __future__ import annotations

import base64
from typing import Any

from tests.lab.ec2.cloud import Cloud, Lab, refusal, until


def template(cloud: Cloud, name: str = "shop", **data: Any) -> str:
    made = cloud.ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={"ImageId": cloud.image, "InstanceType": "t3.small", **data},
    )
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def from_template(cloud: Cloud, **named: Any) -> dict[str, Any]:
    launched = cloud.ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=named)["Instances"][0]
    cloud.made.append(launched["InstanceId"])
    return dict(launched)


def test_a_launch_takes_what_its_template_says(cloud: Cloud, lab: Lab) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Service", "Value": "shop"}]}]
    data = base64.b64encode(b"#!/bin/sh\ntrue\n").decode()
    made = template(cloud, UserData=data, TagSpecifications=tags)
    launched = from_template(cloud, LaunchTemplateId=made)
    assert launched["InstanceType"] == "t3.small"
    assert {"Key": "Service", "Value": "shop"} in launched["Tags"]
    until(lambda: lab.room.is_up(launched["InstanceId"]), "the machine is up")
    assert lab.room.specs[launched["InstanceId"]][0].user_data == b"#!/bin/sh\ntrue\n"


def test_the_request_wins_over_the_template(cloud: Cloud) -> None:
    made = template(cloud)
    launched = cloud.launch(LaunchTemplate={"LaunchTemplateId": made}, InstanceType="t3.large")[0]
    assert launched["InstanceType"] == "t3.large"


def test_a_version_is_a_number_or_latest_or_default(cloud: Cloud) -> None:
    made = template(cloud)
    cloud.ec2.create_launch_template_version(
        LaunchTemplateId=made, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.large"}
    )
    kinds = {
        version: from_template(cloud, LaunchTemplateId=made, Version=version)["InstanceType"]
        for version in ("1", "2", "$Latest", "$Default")
    }
    assert kinds == {"1": "t3.small", "2": "t3.large", "$Latest": "t3.large", "$Default": "t3.small"}


def test_a_template_is_named_by_id_or_by_name_and_not_both(cloud: Cloud) -> None:
    made = template(cloud)
    assert from_template(cloud, LaunchTemplateName="shop")["InstanceType"] == "t3.small"
    both = refusal(lambda: from_template(cloud, LaunchTemplateName="shop", LaunchTemplateId=made))
    assert both == "InvalidParameterCombination"


def test_the_default_version_can_be_changed(cloud: Cloud) -> None:
    made = template(cloud)
    cloud.ec2.create_launch_template_version(
        LaunchTemplateId=made, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.large"}
    )
    changed = cloud.ec2.modify_launch_template(LaunchTemplateId=made, DefaultVersion="2")["LaunchTemplate"]
    assert (changed["DefaultVersionNumber"], changed["LatestVersionNumber"]) == (2, 2)
    assert from_template(cloud, LaunchTemplateId=made)["InstanceType"] == "t3.large"


def test_a_version_with_a_source_keeps_what_it_does_not_change_and_one_without_keeps_nothing(cloud: Cloud) -> None:
    made = template(cloud, KeyName="ops")
    changed = {"ImageId": "ami-0123456789abcdef0"}
    merged = cloud.ec2.create_launch_template_version(
        LaunchTemplateId=made, SourceVersion="1", LaunchTemplateData=changed
    )["LaunchTemplateVersion"]["LaunchTemplateData"]
    assert merged == {"ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.small", "KeyName": "ops"}
    alone = cloud.ec2.create_launch_template_version(LaunchTemplateId=made, LaunchTemplateData=changed)
    assert alone["LaunchTemplateVersion"]["LaunchTemplateData"] == changed


def test_versions_are_listed_newest_first_and_in_pages(cloud: Cloud) -> None:
    made = template(cloud)
    for number in range(4):
        cloud.ec2.create_launch_template_version(
            LaunchTemplateId=made, LaunchTemplateData={"InstanceType": "t3.small"}, VersionDescription=str(number)
        )
    pages = cloud.ec2.get_paginator("describe_launch_template_versions").paginate(
        LaunchTemplateId=made, PaginationConfig={"PageSize": 2}
    )
    numbers = [v["VersionNumber"] for page in pages for v in page["LaunchTemplateVersions"]]
    assert numbers == [5, 4, 3, 2, 1]


def test_an_unknown_template_or_version_is_refused(cloud: Cloud) -> None:
    made = template(cloud)
    unknown = refusal(lambda: from_template(cloud, LaunchTemplateId="lt-0123456789abcdef0"))
    assert unknown == "InvalidLaunchTemplateId.NotFound"
    assert refusal(lambda: from_template(cloud, LaunchTemplateId=made, Version="9")) == (
        "InvalidLaunchTemplateId.VersionNotFound"
    )


def test_versions_but_not_the_default_one_can_be_deleted(cloud: Cloud) -> None:
    made = template(cloud)
    cloud.ec2.create_launch_template_version(LaunchTemplateId=made, LaunchTemplateData={"InstanceType": "t3.large"})
    answer = cloud.ec2.delete_launch_template_versions(LaunchTemplateId=made, Versions=["1", "2"])
    gone = [v["VersionNumber"] for v in answer["SuccessfullyDeletedLaunchTemplateVersions"]]
    kept = [v["VersionNumber"] for v in answer["UnsuccessfullyDeletedLaunchTemplateVersions"]]
    assert (gone, kept) == ([2], [1])
    assert refusal(lambda: from_template(cloud, LaunchTemplateId=made, Version="2")) == (
        "InvalidLaunchTemplateId.VersionNotFound"
    )
    assert from_template(cloud, LaunchTemplateId=made, Version="$Latest")["InstanceType"] == "t3.small"


def test_a_templates_own_tags_are_not_those_of_its_instances(cloud: Cloud) -> None:
    made = cloud.ec2.create_launch_template(
        LaunchTemplateName="tagged",
        LaunchTemplateData={"ImageId": cloud.image, "InstanceType": "t3.small"},
        TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "Owner", "Value": "ops"}]}],
    )["LaunchTemplate"]
    assert made["Tags"] == [{"Key": "Owner", "Value": "ops"}]
    assert "Tags" not in from_template(cloud, LaunchTemplateName="tagged")


def test_a_deleted_template_is_gone(cloud: Cloud) -> None:
    made = template(cloud, name="brief")
    cloud.ec2.delete_launch_template(LaunchTemplateId=made)
    assert refusal(lambda: from_template(cloud, LaunchTemplateId=made)) == "InvalidLaunchTemplateId.NotFound"
