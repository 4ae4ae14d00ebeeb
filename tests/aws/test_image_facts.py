"""A registered image boots like the one it was built on, disks and all."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.aws.image_facts import Source, as_image, as_snapshot, disk_overrides, mismatch, register_request
from deployer.bake.ports import ImageState, SnapshotState
from tests.bake.world import an_order

BASE: Any = {
    "ImageId": "ami-base",
    "Architecture": "arm64",
    "VirtualizationType": "hvm",
    "RootDeviceName": "/dev/xvda",
    "EnaSupport": True,
    "SriovNetSupport": "simple",
    "BootMode": "uefi",
    "TpmSupport": "v2.0",
    "ImdsSupport": "v2.0",
    "PlatformDetails": "Linux/UNIX",
    "BlockDeviceMappings": [
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-0", "VolumeSize": 8, "VolumeType": "gp3"}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ],
}
BUILDER: Any = {
    "RootDeviceName": "/dev/xvda",
    "BlockDeviceMappings": [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1", "DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeId": "vol-2", "DeleteOnTermination": False}},
    ],
}
VOLUMES: Any = {
    "vol-1": {"VolumeType": "gp3", "Size": 20, "Iops": 4000, "Throughput": 250, "Encrypted": True, "KmsKeyId": "k"},
    "vol-2": {"VolumeType": "gp2", "Size": 100, "Iops": 300},
}


def request() -> dict[str, Any]:
    snapshots = {"/dev/xvda": "snap-1", "/dev/sdf": "snap-2"}
    return register_request(an_order(), Source(BASE, BUILDER, VOLUMES), snapshots)


def test_everything_that_the_machine_needs_is_carried_over_from_the_base_image() -> None:
    made = request()

    kept = (
        "Architecture",
        "RootDeviceName",
        "EnaSupport",
        "SriovNetSupport",
        "BootMode",
        "TpmSupport",
        "ImdsSupport",
    )
    assert {key: made[key] for key in kept} == {key: BASE[key] for key in kept}
    assert made["VirtualizationType"] == "hvm"
    assert made["Name"] == an_order().name


def test_every_disk_keeps_its_size_type_speed_and_fate() -> None:
    mappings = {item["DeviceName"]: item for item in request()["BlockDeviceMappings"]}

    assert mappings["/dev/xvda"]["Ebs"] == {
        "SnapshotId": "snap-1",
        "DeleteOnTermination": True,
        "VolumeSize": 20,
        "VolumeType": "gp3",
        "Iops": 4000,
        "Throughput": 250,
    }
    assert mappings["/dev/sdf"]["Ebs"] == {
        "SnapshotId": "snap-2",
        "DeleteOnTermination": False,
        "VolumeSize": 100,
        "VolumeType": "gp2",
    }
    assert mappings["/dev/sdb"] == {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"}


def test_what_the_base_image_does_not_have_is_not_made_up() -> None:
    bare: Any = {"ImageId": "ami-bare", "Architecture": "x86_64", "RootDeviceName": "/dev/xvda"}

    made = register_request(an_order(), Source(bare, BUILDER, VOLUMES), {"/dev/xvda": "snap-1"})

    assert not made.keys() & {"EnaSupport", "SriovNetSupport", "BootMode", "TpmSupport", "ImdsSupport"}


@pytest.mark.parametrize("key", ["Architecture", "VirtualizationType", "PlatformDetails"])
def test_an_image_that_came_out_different_is_told(key: str) -> None:
    assert mismatch({**BASE, key: "other"}, BASE) == f"its {key} is other, but that of ami-base is {BASE[key]}"
    assert mismatch(BASE, BASE) is None


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("pending", ImageState.PENDING),
        ("transient", ImageState.PENDING),
        ("available", ImageState.AVAILABLE),
        ("failed", ImageState.FAILED),
        ("error", ImageState.FAILED),
        ("invalid", ImageState.FAILED),
        ("deregistered", ImageState.FAILED),
        ("disabled", ImageState.FAILED),
    ],
)
def test_only_pending_images_are_waited_for(state: Any, meant: ImageState) -> None:
    assert as_image({"ImageId": "ami-1", "State": state}).state is meant


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("pending", SnapshotState.PENDING),
        ("recovering", SnapshotState.PENDING),
        ("completed", SnapshotState.COMPLETED),
        ("error", SnapshotState.FAILED),
        ("recoverable", SnapshotState.FAILED),
    ],
)
def test_only_pending_snapshots_are_waited_for(state: Any, meant: SnapshotState) -> None:
    snapshot = as_snapshot({"SnapshotId": "snap-1", "State": state, "Progress": "42%"})

    assert (snapshot.state, snapshot.percent) == (meant, 42)


def test_a_builder_gets_the_larger_disk_that_its_fleet_was_launched_with() -> None:
    overrides = disk_overrides(BUILDER, VOLUMES, BASE)

    assert [item["DeviceName"] for item in overrides] == ["/dev/xvda"]
    assert overrides[0]["Ebs"]["VolumeSize"] == 20


def test_a_disk_that_goes_with_its_instance_is_part_of_the_image_and_one_attached_by_hand_is_not() -> None:
    scratch: Any = {"DeviceName": "/dev/sdg", "Ebs": {"VolumeId": "vol-3", "DeleteOnTermination": True}}
    model: Any = {"BlockDeviceMappings": [*BUILDER["BlockDeviceMappings"], scratch]}
    volumes: Any = {**VOLUMES, "vol-3": {"VolumeType": "gp3", "Size": 50, "Encrypted": True}}

    overrides = {item["DeviceName"]: item["Ebs"] for item in disk_overrides(model, volumes, BASE)}

    assert set(overrides) == {"/dev/xvda", "/dev/sdg"}
    assert overrides["/dev/sdg"]["Encrypted"] is True


def test_disks_like_the_images_own_are_not_overridden() -> None:
    same: Any = {"vol-1": {"VolumeType": "gp3", "Size": 8}}

    assert disk_overrides({"BlockDeviceMappings": BUILDER["BlockDeviceMappings"][:1]}, same, BASE) == []
