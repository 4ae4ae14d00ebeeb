"""Images as EC2 shows them and as RegisterImage wants them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.aws.ec2 import tags_of
from deployer.bake.order import BakeOrder
from deployer.bake.ports import ImageState, SeenImage, SeenSnapshot, SnapshotState

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import ImageTypeDef, InstanceTypeDef, SnapshotTypeDef, VolumeTypeDef

_IMAGE_STATES: Mapping[str, ImageState] = {
    "pending": ImageState.PENDING,
    "transient": ImageState.PENDING,
    "available": ImageState.AVAILABLE,
}
_SNAPSHOT_STATES: Mapping[str, SnapshotState] = {
    "pending": SnapshotState.PENDING,
    "recovering": SnapshotState.PENDING,
    "completed": SnapshotState.COMPLETED,
}
_WITH_IOPS = frozenset({"io1", "io2", "gp3"})
_MUST_MATCH = ("Architecture", "VirtualizationType", "PlatformDetails", "RootDeviceType")


def as_image(raw: ImageTypeDef, problem: str | None = None) -> SeenImage:
    """An image of DescribeImages. Any state but pending and available is one that waiting does not mend."""
    mappings = raw.get("BlockDeviceMappings", [])
    snapshots = (mapping.get("Ebs", {}).get("SnapshotId", "") for mapping in mappings)
    reason = raw.get("StateReason", {})
    return SeenImage(
        id=raw.get("ImageId", ""),
        name=raw.get("Name", ""),
        state=_IMAGE_STATES.get(raw.get("State", ""), ImageState.FAILED),
        snapshots=tuple(snapshot for snapshot in snapshots if snapshot),
        created=raw.get("CreationDate", ""),
        reason=f"{raw.get('State', '')} {reason.get('Message', reason.get('Code', ''))}".strip(),
        problem=problem,
        tags=tags_of(raw),
    )


def as_snapshot(raw: SnapshotTypeDef) -> SeenSnapshot:
    """A snapshot of DescribeSnapshots; `Progress` is text such as `42%`."""
    percent = raw.get("Progress", "0%").rstrip("%")
    return SeenSnapshot(
        id=raw.get("SnapshotId", ""),
        volume=raw.get("VolumeId", ""),
        state=_SNAPSHOT_STATES.get(raw.get("State", ""), SnapshotState.FAILED),
        percent=int(percent) if percent.isdigit() else 0,
        reason=raw.get("StateMessage", ""),
    )


def volumes_of(raw: InstanceTypeDef) -> dict[str, str]:
    """An instance's EBS volumes by device name."""
    return {
        mapping.get("DeviceName", ""): mapping.get("Ebs", {}).get("VolumeId", "")
        for mapping in raw.get("BlockDeviceMappings", [])
        if mapping.get("Ebs", {}).get("VolumeId")
    }


@dataclass(frozen=True)
class Source:
    """What an image is registered after: the base image, the builder, and the builder's volumes by id."""

    image: ImageTypeDef
    builder: InstanceTypeDef
    volumes: Mapping[str, VolumeTypeDef]


def register_request(order: BakeOrder, source: Source, snapshots: Mapping[str, str]) -> dict[str, Any]:
    """The RegisterImage parameters. Its own defaults (i386, paravirtual, no ENA) would not boot.

    The base image knows what the machine needs; the builder's volumes know their size and speed.
    """
    image = source.image
    request = {
        "Name": order.name,
        "Description": f"release {order.package.release} on {order.base_image}",
        "Architecture": image.get("Architecture"),
        "VirtualizationType": "hvm",
        "RootDeviceName": source.builder.get("RootDeviceName") or image.get("RootDeviceName"),
        "EnaSupport": image.get("EnaSupport") or None,
        "SriovNetSupport": image.get("SriovNetSupport"),
        "BootMode": image.get("BootMode"),
        "TpmSupport": image.get("TpmSupport"),
        # "v2.0" is the only value there is; an image without it lets instances choose.
        "ImdsSupport": image.get("ImdsSupport"),
        "BlockDeviceMappings": _mappings(source, snapshots),
        "TagSpecifications": [
            {"ResourceType": "image", "Tags": [{"Key": k, "Value": v} for k, v in order.image_tags().items()]}
        ],
    }
    return {key: value for key, value in request.items() if value is not None}


def _mappings(source: Source, snapshots: Mapping[str, str]) -> list[dict[str, Any]]:
    attached = {m.get("DeviceName", ""): m.get("Ebs", {}) for m in source.builder.get("BlockDeviceMappings", [])}
    mappings: list[dict[str, Any]] = []
    for device, snapshot in sorted(snapshots.items()):
        ebs = attached.get(device, {})
        volume = source.volumes.get(ebs.get("VolumeId", ""), {})
        disk = {"SnapshotId": snapshot, "DeleteOnTermination": ebs.get("DeleteOnTermination", True)}
        mappings.append({"DeviceName": device, "Ebs": {**disk, **shape_of(volume)}})
    # Instance-store volumes are not copied, but an instance only gets them if its image maps them.
    mappings.extend(
        {"DeviceName": mapping.get("DeviceName", ""), "VirtualName": mapping.get("VirtualName", "")}
        for mapping in source.image.get("BlockDeviceMappings", [])
        if mapping.get("VirtualName")
    )
    return mappings


def shape_of(volume: VolumeTypeDef) -> dict[str, Any]:
    """A volume's size (GiB), type and speed as a block device mapping takes them.

    Encryption is left out: a volume made from a snapshot is encrypted as the snapshot is. IOPS are refused for
    types that do not let one choose them, though DescribeVolumes shows them.
    """
    kind = str(volume.get("VolumeType", ""))
    shape = {
        "VolumeSize": volume.get("Size"),
        "VolumeType": kind or None,
        "Iops": volume.get("Iops") if kind in _WITH_IOPS else None,
        "Throughput": volume.get("Throughput") if kind == "gp3" else None,
    }
    return {key: value for key, value in shape.items() if value is not None}


def mismatch(made: ImageTypeDef, base: ImageTypeDef) -> str | None:
    """Why an image registered by us would not boot, or be billed, like its base; None when it would.

    `PlatformDetails` is worked out by EC2 and shows what became of the rest (EC2 user guide, AMI billing).
    """
    for key in _MUST_MATCH:
        have: object = made.get(key)
        want: object = base.get(key)
        if have and want and have != want:
            return f"its {key} is {have}, but that of {base.get('ImageId', 'its base')} is {want}"
    return None


def disk_overrides(model: InstanceTypeDef, volumes: Mapping[str, VolumeTypeDef], image: ImageTypeDef) -> list[Any]:
    """Block device mappings for a builder whose model has other disks than the base image gives.

    A fleet's launch template may enlarge a disk or add one; without this, the next image would lose that. A
    volume that outlives its instance was attached by hand and is not part of what the image is.
    """
    given = {m.get("DeviceName", ""): m.get("Ebs", {}) for m in image.get("BlockDeviceMappings", [])}
    overrides: list[Any] = []
    for mapping in model.get("BlockDeviceMappings", []):
        device, ebs = mapping.get("DeviceName", ""), mapping.get("Ebs", {})
        volume = volumes.get(ebs.get("VolumeId", ""))
        if volume is None or (device not in given and not ebs.get("DeleteOnTermination")):
            continue
        shape = shape_of(volume)
        same = given.get(device)
        if same is not None and all(same.get(key, value) == value for key, value in shape.items()):
            continue
        fresh = {"Encrypted": True} if same is None and volume.get("Encrypted") else {}
        overrides.append({"DeviceName": device, "Ebs": {**shape, **fresh, "DeleteOnTermination": True}})
    return overrides


def by_id(volumes: Sequence[VolumeTypeDef]) -> dict[str, VolumeTypeDef]:
    """Volumes by their ids."""
    return {volume.get("VolumeId", ""): volume for volume in volumes}
