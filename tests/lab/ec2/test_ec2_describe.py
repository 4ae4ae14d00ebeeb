"""Describe calls for instances: filters, pages, ids, status, tags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployer.lab.context import LabSettings
from tests.lab.ec2.cloud import QUICK, Cloud, Lab, client_at, refusal, until


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [one["InstanceId"] for reservation in answer["Reservations"] for one in reservation["Instances"]]


def found(cloud: Cloud, name: str, *values: str) -> list[str]:
    return ids_of(cloud.ec2.describe_instances(Filters=[{"Name": name, "Values": list(values)}]))


def tagged(**tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}]


def test_an_unknown_id_is_not_found_and_an_ill_formed_one_is_malformed(cloud: Cloud) -> None:
    unknown = ["i-0123456789abcdef0"]
    assert refusal(lambda: cloud.ec2.describe_instances(InstanceIds=unknown)) == "InvalidInstanceID.NotFound"
    assert refusal(lambda: cloud.ec2.describe_instances(InstanceIds=["i-web"])) == "InvalidInstanceID.Malformed"


def test_filters_find_by_each_property_of_an_instance(cloud: Cloud) -> None:
    one, other = cloud.ec2.describe_subnets()["Subnets"][:2]
    (mine,) = cloud.running(SubnetId=one["SubnetId"], TagSpecifications=tagged(Service="shop", Role="web"))
    (theirs,) = cloud.running(SubnetId=other["SubnetId"], TagSpecifications=tagged(Service="blog"))
    shown = cloud.describe(mine)
    by_value = {
        "instance-id": mine,
        "availability-zone": one["AvailabilityZone"],
        "subnet-id": one["SubnetId"],
        "private-ip-address": shown["PrivateIpAddress"],
        "private-dns-name": shown["PrivateDnsName"],
        "reservation-id": cloud.ec2.describe_instances(InstanceIds=[mine])["Reservations"][0]["ReservationId"],
        "tag:Service": "shop",
        "tag-key": "Role",
        "tag-value": "web",
        "block-device-mapping.volume-id": cloud.root_volume(mine),
    }
    for name, value in by_value.items():
        assert found(cloud, name, value) == [mine], name
    both = {
        "image-id": cloud.image,
        "vpc-id": shown["VpcId"],
        "instance-type": cloud.instance_type,
        "instance-state-name": "running",
        "instance-state-code": "16",
        "architecture": "x86_64",
        "launch-time": f"{shown['LaunchTime'].year}-*",
        "root-device-type": "ebs",
    }
    for name, value in both.items():
        assert set(found(cloud, name, value)) >= {mine, theirs}, name


def test_values_of_a_filter_are_alternatives_and_filters_must_all_hold(cloud: Cloud) -> None:
    (shop,) = cloud.running(TagSpecifications=tagged(Service="shop", Role="web"))
    (blog,) = cloud.running(TagSpecifications=tagged(Service="blog", Role="web"))
    assert set(found(cloud, "tag:Service", "shop", "blog")) == {shop, blog}
    both = [{"Name": "tag:Role", "Values": ["web"]}, {"Name": "tag:Service", "Values": ["blog"]}]
    assert ids_of(cloud.ec2.describe_instances(Filters=both)) == [blog]


def test_filter_values_take_wildcards_and_a_backslash_takes_them_literally(cloud: Cloud) -> None:
    (star,) = cloud.running(TagSpecifications=tagged(Name="web*1"))
    (plain,) = cloud.running(TagSpecifications=tagged(Name="web-1"))
    assert set(found(cloud, "tag:Name", "web?1")) == {star, plain}
    assert found(cloud, "tag:Name", "web\\*1") == [star]
    assert found(cloud, "tag:Name", "WEB*") == []


def test_an_unknown_filter_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: found(cloud, "colour", "red")) == "InvalidParameterValue"


def test_pages_show_every_instance_once(cloud: Cloud) -> None:
    launched = [one["InstanceId"] for one in cloud.launch(13)]
    shown: list[str] = []
    filters = [{"Name": "instance-id", "Values": launched}]
    pages = cloud.ec2.get_paginator("describe_instances").paginate(
        Filters=filters, PaginationConfig={"PageSize": 5}
    )
    sizes = []
    for page in pages:
        sizes.append(len(ids_of(page)))
        shown += ids_of(page)
    assert sizes == [5, 5, 3]
    assert sorted(shown) == sorted(launched)


def test_a_page_goes_on_although_the_last_one_shown_has_left_the_filter(cloud: Cloud) -> None:
    launched = [one["InstanceId"] for one in cloud.launch(8, TagSpecifications=tagged(Fleet="pages"))]
    filters = [{"Name": "tag:Fleet", "Values": ["pages"]}]
    first = cloud.ec2.describe_instances(Filters=filters, MaxResults=5)
    (last,) = ids_of(first)[-1:]
    cloud.ec2.delete_tags(Resources=[last], Tags=[{"Key": "Fleet"}])
    rest = ids_of(cloud.ec2.describe_instances(Filters=filters, MaxResults=5, NextToken=first["NextToken"]))
    assert set(rest) <= set(launched) - set(ids_of(first))
    assert len(rest) >= 2


def test_max_results_cannot_be_combined_with_ids(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    code = refusal(lambda: cloud.ec2.describe_instances(InstanceIds=[instance_id], MaxResults=10))
    assert code == "InvalidParameterCombination"


def test_a_page_has_between_5_and_1000_instances(cloud: Cloud) -> None:
    for size in (4, 1001):
        assert refusal(lambda size=size: cloud.ec2.describe_instances(MaxResults=size)) == "InvalidParameterValue"


def test_an_invented_page_token_is_refused(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.ec2.describe_instances(MaxResults=5, NextToken="abc")) == "InvalidNextToken"


def test_status_checks_begin_as_initializing_and_become_ok(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()

    def status() -> dict[str, Any]:
        answer: dict[str, Any] = cloud.ec2.describe_instance_status(InstanceIds=[instance_id])
        shown: dict[str, Any] = answer["InstanceStatuses"][0]
        return shown

    assert status()["InstanceStatus"]["Status"] == "initializing"
    until(lambda: status()["InstanceStatus"]["Status"] == "ok", "status ok", patience=600)
    assert status()["SystemStatus"]["Details"] == [{"Name": "reachability", "Status": "passed"}]
    assert status()["AttachedEbsStatus"]["Status"] == "ok"


def test_a_machine_that_is_down_while_its_instance_runs_reads_impaired(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    lab.room.up.discard(instance_id)
    filters = [{"Name": "instance-status.status", "Values": ["impaired"]}]
    until(
        lambda: bool(cloud.ec2.describe_instance_status(Filters=filters)["InstanceStatuses"]),
        "the instance reads impaired",
    )


def test_status_shows_running_instances_only_unless_all_are_asked_for(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    cloud.ec2.stop_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "stopped")
    filters = [{"Name": "instance-state-name", "Values": ["stopped"]}]
    assert cloud.ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"] == []
    shown = cloud.ec2.describe_instance_status(
        InstanceIds=[instance_id], IncludeAllInstances=True, Filters=filters
    )["InstanceStatuses"]
    assert shown[0]["InstanceState"] == {"Code": 80, "Name": "stopped"}
    assert shown[0]["InstanceStatus"] == {"Status": "not-applicable"}


def test_tags_are_set_overwritten_listed_and_deleted(cloud: Cloud) -> None:
    (instance_id,) = cloud.running(TagSpecifications=tagged(Service="shop"))
    volume = cloud.root_volume(instance_id)
    cloud.ec2.create_tags(
        Resources=[instance_id, volume],
        Tags=[{"Key": "Service", "Value": "blog"}, {"Key": "Step", "Value": "2"}],
    )
    filters = [{"Name": "resource-id", "Values": [instance_id, volume]}]
    listed = {
        (tag["ResourceType"], tag["Key"], tag["Value"]) for tag in cloud.ec2.describe_tags(Filters=filters)["Tags"]
    }
    assert listed == {
        (kind, *tag) for kind in ("instance", "volume") for tag in (("Service", "blog"), ("Step", "2"))
    }
    cloud.ec2.delete_tags(Resources=[instance_id], Tags=[{"Key": "Step"}, {"Key": "Service", "Value": "shop"}])
    assert cloud.describe(instance_id)["Tags"] == [{"Key": "Service", "Value": "blog"}]


def test_tagging_something_unknown_tags_nothing(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    tags = [{"Key": "a", "Value": "b"}]
    resources = [instance_id, "i-0123456789abcdef0"]
    assert refusal(lambda: cloud.ec2.create_tags(Resources=resources, Tags=tags)) == "InvalidInstanceID.NotFound"
    assert "Tags" not in cloud.describe(instance_id)


def test_networks_are_tagged_through_the_same_call(cloud: Cloud) -> None:
    subnet = cloud.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    cloud.ec2.create_tags(Resources=[subnet], Tags=[{"Key": "Tier", "Value": "public"}])
    tags = cloud.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["Tags"]
    cloud.ec2.delete_tags(Resources=[subnet], Tags=[{"Key": "Tier"}])
    assert {"Key": "Tier", "Value": "public"} in tags


def test_the_51st_tag_is_refused(cloud: Cloud) -> None:
    (instance_id,) = cloud.running(TagSpecifications=tagged(Name="full"))
    fifty = [{"Key": f"k{n}", "Value": "v"} for n in range(50)]
    assert refusal(lambda: cloud.ec2.create_tags(Resources=[instance_id], Tags=fifty)) == "TagLimitExceeded"


def test_the_default_network_has_one_subnet_for_each_zone(cloud: Cloud, lab: Lab) -> None:
    (vpc,) = cloud.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert vpc["CidrBlock"] == "127.201.0.0/16"
    subnets = cloud.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert {s["AvailabilityZone"]: s["CidrBlock"] for s in subnets} == {
        "eu-west-1a": "127.201.0.0/20",
        "eu-west-1b": "127.201.16.0/20",
        "eu-west-1c": "127.201.32.0/20",
    }
    assert all(subnet["DefaultForAz"] for subnet in subnets)


def test_waiters_of_botocore_see_an_instance_run_stop_and_end(cloud: Cloud) -> None:
    (launched,) = cloud.launch()
    ids = [launched["InstanceId"]]
    quick = {"Delay": 1, "MaxAttempts": 300}
    cloud.ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=quick)
    cloud.ec2.get_waiter("instance_status_ok").wait(InstanceIds=ids, WaiterConfig=quick)
    cloud.ec2.stop_instances(InstanceIds=ids)
    cloud.ec2.get_waiter("instance_stopped").wait(InstanceIds=ids, WaiterConfig=quick)
    cloud.ec2.terminate_instances(InstanceIds=ids)
    cloud.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=quick)


def test_polling_a_large_fleet_writes_each_unchanged_instance_once(
    make_lab: Callable[[LabSettings], Lab], endpoint: str
) -> None:
    lab = make_lab(replace(QUICK, pending=3600.0))
    cloud = Cloud(client_at(endpoint), lab.image, "t3.micro")
    cloud.launch(100)
    from deployer.lab.ec2.instances import xml_of

    store = lab.ec2.home.store
    before = [xml_of(instance) for instance in store.shown_instances()]
    assert len(ids_of(cloud.ec2.describe_instances())) == 100
    after = [xml_of(instance) for instance in store.shown_instances()]
    assert all(one is other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("size", [None, 100])
def test_terminated_instances_are_left_out_by_the_usual_state_filter(cloud: Cloud, size: int | None) -> None:
    (instance_id,) = cloud.running()
    cloud.ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.wait_for(instance_id, "terminated")
    states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    paged = {} if size is None else {"MaxResults": size}
    assert instance_id not in ids_of(cloud.ec2.describe_instances(Filters=states, **paged))
