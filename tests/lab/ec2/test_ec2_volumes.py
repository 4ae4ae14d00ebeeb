"""Volumes and snapshots: what is kept of a disk, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deployer.lab.context import LabSettings
from deployer.lab.ec2.troubles import Trouble
from tests.lab.ec2.cloud import QUICK, Cloud, Lab, baked, client_at, disk, refusal, until


def test_a_snapshot_holds_the_disk_as_it_was_when_the_call_was_made(
    make_lab: Callable[[LabSettings], Lab], endpoint: str
) -> None:
    lab = make_lab(replace(QUICK, snapshot=0.5))
    cloud = Cloud(client_at(endpoint), lab.image, "t3.micro")
    (instance_id,) = cloud.running()
    root = disk(lab, cloud, instance_id)
    (root / "count").write_text("1")
    made = cloud.ec2.create_snapshot(VolumeId=root.name)
    (root / "count").write_text("2")
    assert made["State"] == "pending"
    snapshot = made["SnapshotId"]

    def shown() -> dict[str, Any]:
        answer: dict[str, Any] = cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        return answer

    assert shown()["State"] == "pending"
    assert shown()["Progress"].endswith("%")
    until(lambda: shown()["State"] == "completed", "the snapshot completes")
    assert shown()["Progress"] == "100%"
    assert (lab.home / "snapshots" / snapshot / "count").read_text() == "1"


def test_create_snapshots_copies_all_volumes_of_an_instance_with_tags(cloud: Cloud, lab: Lab) -> None:
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]
    (instance_id,) = cloud.running(BlockDeviceMappings=data)
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    made = cloud.ec2.create_snapshots(
        InstanceSpecification={"InstanceId": instance_id},
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "Release", "Value": "2"}]}],
    )["Snapshots"]
    mapped = {m["Ebs"]["VolumeId"] for m in cloud.describe(instance_id)["BlockDeviceMappings"]}
    assert {one["VolumeId"] for one in made} == mapped
    assert len(mapped) == 2
    assert all(one["Tags"] == [{"Key": "Release", "Value": "2"}] for one in made)
    filters = [{"Name": "tag:Release", "Values": ["2"]}]
    assert len(cloud.ec2.describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]) == 2


def test_every_volume_of_an_image_comes_back_on_its_instances(cloud: Cloud, lab: Lab) -> None:
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 5}}]
    (builder,) = cloud.running(BlockDeviceMappings=data)
    until(lambda: lab.room.is_up(builder), "the machine is up")
    (lab.room.specs[builder][0].volumes["/dev/sdf"] / "rows").write_text("data")
    image = cloud.ec2.create_image(InstanceId=builder, Name="two-disks", NoReboot=True)["ImageId"]
    cloud.wait_for_image(image)
    (instance_id,) = cloud.running(ImageId=image)
    until(lambda: lab.room.is_up(instance_id), "the machine is up")
    assert (lab.room.specs[instance_id][0].volumes["/dev/sdf"] / "rows").read_text() == "data"


def test_a_snapshot_in_use_by_an_image_cannot_be_deleted(cloud: Cloud) -> None:
    image, snapshot = baked(cloud, "holds-its-snapshot")
    assert refusal(lambda: cloud.ec2.delete_snapshot(SnapshotId=snapshot)) == "InvalidSnapshot.InUse"
    cloud.ec2.deregister_image(ImageId=image)
    cloud.ec2.delete_snapshot(SnapshotId=snapshot)
    gone = refusal(lambda: cloud.ec2.describe_snapshots(SnapshotIds=[snapshot]))
    assert gone == "InvalidSnapshot.NotFound"


def test_deregistering_may_delete_the_snapshots_too(cloud: Cloud, lab: Lab) -> None:
    image, snapshot = baked(cloud, "takes-its-snapshot")
    cloud.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
    assert refusal(lambda: cloud.ec2.delete_snapshot(SnapshotId=snapshot)) == "InvalidSnapshot.NotFound"
    assert not (lab.home / "snapshots" / snapshot).exists()


def test_deleting_a_snapshot_leaves_running_instances_their_disks(cloud: Cloud, lab: Lab) -> None:
    image, snapshot = baked(cloud, "then-deleted")
    (instance_id,) = cloud.running(ImageId=image)
    root = disk(lab, cloud, instance_id)
    cloud.ec2.deregister_image(ImageId=image)
    cloud.ec2.delete_snapshot(SnapshotId=snapshot)
    assert (root / "etc" / "release").read_text() == "base\n"


def test_a_volume_is_made_from_a_snapshot_and_deleted(cloud: Cloud, lab: Lab) -> None:
    _, snapshot = baked(cloud, "for-a-volume")
    zone = cloud.ec2.describe_subnets()["Subnets"][0]["AvailabilityZone"]
    volume = cloud.ec2.create_volume(AvailabilityZone=zone, SnapshotId=snapshot)["VolumeId"]
    until(
        lambda: cloud.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available",
        "the volume is available",
    )
    assert (lab.home / "volumes" / volume / "etc" / "release").read_text() == "base\n"
    cloud.ec2.delete_volume(VolumeId=volume)
    assert refusal(lambda: cloud.ec2.describe_volumes(VolumeIds=[volume])) == "InvalidVolume.NotFound"


def test_a_volume_in_use_cannot_be_deleted(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    volume = cloud.root_volume(instance_id)
    assert refusal(lambda: cloud.ec2.delete_volume(VolumeId=volume)) == "VolumeInUse"


def test_volumes_are_found_by_their_instance(cloud: Cloud) -> None:
    (instance_id,) = cloud.running()
    filters = [{"Name": "attachment.instance-id", "Values": [instance_id]}]
    (volume,) = cloud.ec2.describe_volumes(Filters=filters)["Volumes"]
    assert volume["State"] == "in-use"
    assert volume["Attachments"][0]["Device"] == "/dev/xvda"


def test_a_root_volume_smaller_than_its_snapshot_is_refused(cloud: Cloud) -> None:
    small = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]
    assert refusal(lambda: cloud.launch(BlockDeviceMappings=small)) == "InvalidBlockDeviceMapping"


def test_a_snapshot_ordered_to_fail_ends_in_error_and_makes_no_image(cloud: Cloud, lab: Lab) -> None:
    (builder,) = cloud.running()
    lab.ec2.troubles.order(Trouble.SNAPSHOT_ERROR)
    snapshot = cloud.ec2.create_snapshot(VolumeId=cloud.root_volume(builder))["SnapshotId"]
    assert cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "error"
    assert refusal(lambda: cloud.register("never", snapshot)) == "IncorrectState"
