"""Images: that what is launched is what was baked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployer.lab.context import LabSettings
from deployer.lab.ec2.troubles import Trouble
from tests.lab.ec2.cloud import QUICK, Cloud, Lab, baked, client_at, disk, refusal, until


def image_of(cloud: Cloud, image_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]
    return shown


def test_an_instance_boots_from_a_copy_of_its_images_snapshot(cloud: Cloud, lab: Lab) -> None:
    (builder,) = cloud.running()
    root = disk(lab, cloud, builder)
    (root / "etc" / "release").write_text("release 2\n")
    (root / "app").mkdir()
    (root / "app" / "run.sh").write_text("#!/bin/sh\n")
    (root / "app" / "run.sh").chmod(0o755)
    (root / "app" / "current").symlink_to("run.sh")
    image = cloud.register("release-2", cloud.completed_snapshot(root.name))
    (root / "etc" / "release").write_text("changed after the snapshot\n")
    (instance_id,) = cloud.running(ImageId=image)
    new = disk(lab, cloud, instance_id)
    assert (new / "etc" / "release").read_text() == "release 2\n"
    assert os.access(new / "app" / "run.sh", os.X_OK)
    assert (new / "app" / "current").readlink() == Path("run.sh")


def test_two_instances_of_one_image_do_not_share_files(cloud: Cloud, lab: Lab) -> None:
    one, other = cloud.running(2)
    first, second = disk(lab, cloud, one) / "etc" / "release", disk(lab, cloud, other) / "etc" / "release"
    first.write_text("mine\n")
    assert second.read_text() == "base\n"
    assert first.stat().st_nlink == second.stat().st_nlink == 1


def test_the_image_needs_neither_builder_nor_its_volume_any_more(cloud: Cloud, lab: Lab) -> None:
    (builder,) = cloud.running()
    (disk(lab, cloud, builder) / "marker").write_text("baked")
    image = cloud.register("no-builder", cloud.completed_snapshot(cloud.root_volume(builder)))
    cloud.ec2.terminate_instances(InstanceIds=[builder])
    cloud.wait_for(builder, "terminated")
    (instance_id,) = cloud.running(ImageId=image)
    assert (disk(lab, cloud, instance_id) / "marker").read_text() == "baked"


def test_register_image_refuses_a_snapshot_that_is_not_completed(
    make_lab: Callable[[LabSettings], Lab], endpoint: str
) -> None:
    lab = make_lab(replace(QUICK, snapshot=3600.0))
    cloud = Cloud(client_at(endpoint), lab.image, "t3.micro")
    (instance_id,) = cloud.running()
    disk(lab, cloud, instance_id)
    snapshot = cloud.ec2.create_snapshot(VolumeId=cloud.root_volume(instance_id))["SnapshotId"]
    assert refusal(lambda: cloud.register("too-early", snapshot)) == "IncorrectState"


def test_create_image_reboots_the_instance_by_default(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    image = cloud.ec2.create_image(InstanceId=instance_id, Name="with-reboot")["ImageId"]
    assert image_of(cloud, image)["State"] == "pending"
    cloud.wait_for_image(image)
    until(lambda: lab.room.did(instance_id) == ["on", "off", "on"], "the machine is on again")
    assert cloud.state(instance_id) == "running"


def test_create_image_without_reboot_leaves_the_machine_running(cloud: Cloud, lab: Lab) -> None:
    (instance_id,) = cloud.running()
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    image = cloud.ec2.create_image(InstanceId=instance_id, Name="no-reboot", NoReboot=True)["ImageId"]
    cloud.wait_for_image(image)
    assert lab.room.did(instance_id) == ["on"]


def test_create_image_carries_the_machine_over(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    source = image_of(cloud, cloud.image)
    image = cloud.ec2.create_image(InstanceId=instance_id, Name="carried", NoReboot=True)["ImageId"]
    made = image_of(cloud, image)
    for name in ("Architecture", "VirtualizationType", "RootDeviceName", "EnaSupport", "BootMode", "ImdsSupport"):
        assert made.get(name) == source.get(name), name
    assert made["PlatformDetails"] == "Linux/UNIX"
    assert made["UsageOperation"] == "RunInstances"
    assert made["SourceInstanceId"] == instance_id


def test_register_image_defaults_to_i386_and_paravirtual_which_no_current_type_runs(cloud: Cloud) -> None:
    (builder,) = cloud.running()
    snapshot = cloud.completed_snapshot(cloud.root_volume(builder))
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
    image = cloud.ec2.register_image(Name="forgot", RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping)[
        "ImageId"
    ]
    shown = image_of(cloud, image)
    assert (shown["Architecture"], shown["VirtualizationType"]) == ("i386", "paravirtual")
    cloud.wait_for_image(image)
    assert refusal(lambda: cloud.launch(ImageId=image)) in ("InvalidParameterValue", "InvalidParameterCombination")


def test_an_image_for_another_processor_cannot_be_launched(cloud: Cloud) -> None:
    image, _ = baked(cloud, "for-arm", Architecture="arm64")
    assert refusal(lambda: cloud.launch(ImageId=image)) == "InvalidParameterValue"


def test_a_paravirtual_image_cannot_be_launched_on_a_type_that_is_hvm_only(cloud: Cloud) -> None:
    image, _ = baked(cloud, "paravirtual", VirtualizationType="paravirtual")
    assert refusal(lambda: cloud.launch(ImageId=image)) == "InvalidParameterCombination"


def test_register_image_keeps_what_it_is_told(cloud: Cloud) -> None:
    (builder,) = cloud.running()
    snapshot = cloud.completed_snapshot(cloud.root_volume(builder))
    ebs = {"SnapshotId": snapshot, "VolumeType": "gp3", "VolumeSize": 20, "Iops": 4000, "DeleteOnTermination": True}
    image = cloud.ec2.register_image(
        Name="told",
        Description="release 2",
        Architecture="x86_64",
        VirtualizationType="hvm",
        RootDeviceName="/dev/xvda",
        EnaSupport=True,
        SriovNetSupport="simple",
        BootMode="uefi",
        TpmSupport="v2.0",
        ImdsSupport="v2.0",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": ebs}],
        TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "Release", "Value": "2"}]}],
    )["ImageId"]
    shown = image_of(cloud, image)
    expected = {
        "Description": "release 2",
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "BootMode": "uefi",
        "TpmSupport": "v2.0",
        "ImdsSupport": "v2.0",
        "Tags": [{"Key": "Release", "Value": "2"}],
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["BlockDeviceMappings"][0]["Ebs"].items() >= ebs.items()


@pytest.mark.parametrize("name", ["x" * 129, "semi;colon", "plus+sign", "ümlaut"])
def test_an_image_name_outside_the_rules_is_malformed(cloud: Cloud, name: str) -> None:
    (builder,) = cloud.running()
    snapshot = cloud.completed_snapshot(cloud.root_volume(builder))
    assert refusal(lambda: cloud.register(name, snapshot)) == "InvalidAMIName.Malformed"


def test_every_permitted_character_makes_an_image_name(cloud: Cloud) -> None:
    baked(cloud, "aZ09()[] ./-'@_")


def test_an_image_name_is_taken_until_its_image_is_deregistered(cloud: Cloud) -> None:
    image, snapshot = baked(cloud, "release-7")
    assert refusal(lambda: cloud.register("release-7", snapshot)) == "InvalidAMIName.Duplicate"
    (builder,) = cloud.running()
    again = refusal(lambda: cloud.ec2.create_image(InstanceId=builder, Name="release-7"))
    assert again == "InvalidAMIName.Duplicate"
    cloud.ec2.deregister_image(ImageId=image)
    cloud.register("release-7", snapshot)


def test_register_image_refuses_a_root_device_without_a_mapping(cloud: Cloud) -> None:
    (builder,) = cloud.running()
    snapshot = cloud.completed_snapshot(cloud.root_volume(builder))
    code = refusal(lambda: cloud.register("no-root", snapshot, RootDeviceName="/dev/sda1"))
    assert code == "InvalidBlockDeviceMapping"


def test_register_image_refuses_an_unknown_snapshot(cloud: Cloud) -> None:
    assert refusal(lambda: cloud.register("ghost", "snap-0123456789abcdef0")) == "InvalidSnapshot.NotFound"


def test_a_pending_image_cannot_be_launched(make_lab: Callable[[LabSettings], Lab], endpoint: str) -> None:
    lab = make_lab(replace(QUICK, image=3600.0))
    cloud = Cloud(client_at(endpoint), lab.image, "t3.micro")
    (instance_id,) = cloud.running()
    disk(lab, cloud, instance_id)
    image = cloud.ec2.create_image(InstanceId=instance_id, Name="slow", NoReboot=True)["ImageId"]
    assert refusal(lambda: cloud.launch(ImageId=image)) == "InvalidAMIID.Unavailable"


def test_a_deregistered_image_cannot_be_launched_and_its_instances_live_on(cloud: Cloud) -> None:
    image, _ = baked(cloud, "short-lived")
    (instance_id,) = cloud.running(ImageId=image)
    cloud.ec2.deregister_image(ImageId=image)
    assert refusal(lambda: cloud.launch(ImageId=image)) in ("InvalidAMIID.Unavailable", "InvalidAMIID.NotFound")
    assert cloud.state(instance_id) == "running"
    assert refusal(lambda: image_of(cloud, image)) == "InvalidAMIID.NotFound"
    assert refusal(lambda: cloud.ec2.deregister_image(ImageId=image)) == "InvalidAMIID.Unavailable"


def test_unknown_and_ill_formed_image_ids_are_told_apart(cloud: Cloud) -> None:
    unknown, malformed = "ami-0123456789abcdef0", "ami-web"
    assert refusal(lambda: image_of(cloud, unknown)) == "InvalidAMIID.NotFound"
    assert refusal(lambda: image_of(cloud, malformed)) == "InvalidAMIID.Malformed"
    assert refusal(lambda: cloud.launch(ImageId=unknown)) == "InvalidAMIID.NotFound"
    assert refusal(lambda: cloud.launch(ImageId=malformed)) == "InvalidAMIID.Malformed"


def test_images_are_found_by_owner_name_tag_and_state(cloud: Cloud) -> None:
    tags = [{"ResourceType": "image", "Tags": [{"Key": "Release", "Value": "9"}]}]
    image, snapshot = baked(cloud, "find-me-9", TagSpecifications=tags)
    by_value = {
        "name": "find-me-*",
        "tag:Release": "9",
        "image-id": image,
        "block-device-mapping.snapshot-id": snapshot,
    }
    for name, value in by_value.items():
        filters = [{"Name": name, "Values": [value]}]
        found = cloud.ec2.describe_images(Owners=["self"], Filters=filters)["Images"]
        assert [one["ImageId"] for one in found] == [image], name
    filters = [
        {"Name": "state", "Values": ["available"]},
        {"Name": "architecture", "Values": ["x86_64"]},
        {"Name": "name", "Values": ["find-me-9"]},
    ]
    assert len(cloud.ec2.describe_images(Filters=filters)["Images"]) == 1
    assert cloud.ec2.describe_images(Owners=["210987654321"])["Images"] == []


def test_images_come_in_pages(cloud: Cloud) -> None:
    _, snapshot = baked(cloud, "page-0")
    for number in range(1, 4):
        cloud.register(f"page-{number}", snapshot)
    filters = [{"Name": "name", "Values": ["page-*"]}]
    pages = list(
        cloud.ec2.get_paginator("describe_images").paginate(
            Owners=["self"], Filters=filters, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["Images"]) for page in pages] == [2, 2]


def test_a_copied_image_stands_on_snapshots_of_its_own(cloud: Cloud, lab: Lab) -> None:
    image, snapshot = baked(cloud, "original")
    copy = cloud.ec2.copy_image(Name="copy", SourceImageId=image, SourceRegion="eu-west-1")["ImageId"]
    cloud.wait_for_image(copy)
    (mapping,) = image_of(cloud, copy)["BlockDeviceMappings"]
    assert mapping["Ebs"]["SnapshotId"] != snapshot
    cloud.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    (instance_id,) = cloud.running(ImageId=copy)
    assert (disk(lab, cloud, instance_id) / "etc" / "release").read_text() == "base\n"


def test_an_image_is_shared_with_accounts_through_launch_permissions(cloud: Cloud) -> None:
    image, _ = baked(cloud, "shared")
    add = {"Add": [{"UserId": "210987654321"}]}
    cloud.ec2.modify_image_attribute(ImageId=image, LaunchPermission=add)
    read = cloud.ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    assert read["LaunchPermissions"] == [{"UserId": "210987654321"}]


def test_waiters_of_botocore_see_snapshot_and_image_complete(cloud: Cloud) -> None:
    (builder,) = cloud.running()
    quick = {"Delay": 1, "MaxAttempts": 300}
    snapshot = cloud.ec2.create_snapshot(VolumeId=cloud.root_volume(builder))["SnapshotId"]
    cloud.ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=quick)
    image = cloud.ec2.create_image(InstanceId=builder, Name="waited-for", NoReboot=True)["ImageId"]
    cloud.ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=quick)


def test_an_image_of_a_failed_snapshot_has_failed_too(cloud: Cloud, lab: Lab) -> None:
    (builder,) = cloud.running()
    lab.ec2.troubles.order(Trouble.SNAPSHOT_ERROR)
    image = cloud.ec2.create_image(InstanceId=builder, Name="half", NoReboot=True)["ImageId"]
    assert image_of(cloud, image)["State"] == "failed"
    assert refusal(lambda: cloud.launch(ImageId=image)) == "InvalidAMIID.Unavailable"


def test_an_image_ordered_to_hang_stays_pending(cloud: Cloud, lab: Lab) -> None:
    _, snapshot = baked(cloud, "fine")
    lab.ec2.troubles.order(Trouble.IMAGE_STUCK)
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
    stuck = cloud.ec2.register_image(Name="stuck", RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping)
    cloud.register("after-it", snapshot)
    assert image_of(cloud, stuck["ImageId"])["State"] == "pending"
