"""CreateVolume, DeleteVolume and DescribeVolumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.lab.context import Power
from deployer.lab.ec2 import network, request, tags
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import ApiError, invalid_value, missing
from deployer.lab.ec2.filters import Field, select
from deployer.lab.ec2.pages import page, require_no_ids
from deployer.lab.ec2.records import Attachment, Volume, VolumeState


def _attachment(call: Call, volume: Volume) -> tuple[str, Attachment] | None:
    instance = call.store.instances.get(volume.instance_id or "")
    if instance is None:
        return None
    return next(((instance.id, a) for a in instance.attachments if a.volume_id == volume.id), None)


def _wire(call: Call, volume: Volume) -> dict[str, Any]:
    attached = _attachment(call, volume)
    return {
        "VolumeId": volume.id,
        "Size": volume.size,
        "SnapshotId": volume.snapshot_id or "",
        "AvailabilityZone": volume.zone,
        "State": volume.state.value,
        "CreateTime": volume.created,
        "VolumeType": volume.type,
        "Iops": volume.iops,
        "Throughput": volume.throughput,
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.kms_key,
        "MultiAttachEnabled": False,
        "Tags": tags.wire(volume.tags),
        "Attachments": [_attachment_wire(call, *attached)] if attached else [],
    }


def _attachment_wire(call: Call, instance_id: str, attachment: Attachment) -> dict[str, Any]:
    pending = call.store.instances[instance_id].power is Power.PENDING
    return {
        "VolumeId": attachment.volume_id,
        "InstanceId": instance_id,
        "Device": attachment.device,
        "State": "attaching" if pending else "attached",
        "AttachTime": attachment.attached,
        "DeleteOnTermination": attachment.delete_on_termination,
    }


def _fields(call: Call) -> Mapping[str, Field[Volume]]:
    def of_attachment(read: Field[Attachment]) -> Field[Volume]:
        def value(volume: Volume) -> Any:
            attached = _attachment(call, volume)
            return None if attached is None else read(attached[1])

        return value

    return {
        "attachment.device": of_attachment(lambda a: a.device),
        "attachment.delete-on-termination": of_attachment(lambda a: str(a.delete_on_termination).lower()),
        "attachment.instance-id": lambda v: v.instance_id,
        "attachment.status": of_attachment(lambda _: "attached"),
        "availability-zone": lambda v: v.zone,
        "encrypted": lambda v: str(v.encrypted).lower(),
        "size": lambda v: str(v.size),
        "snapshot-id": lambda v: v.snapshot_id,
        "status": lambda v: v.state.value,
        "volume-id": lambda v: v.id,
        "volume-type": lambda v: v.type,
    }


def describe_volumes(call: Call) -> Answer:
    """DescribeVolumes."""
    ids = call.texts("VolumeIds")
    require_no_ids("volumeSet", ids, call.number("MaxResults"))
    with call.store.lock:
        found = [call.store.volume(i) for i in ids] if ids else list(call.store.volumes.values())
        found = select(found, call.filters(), _fields(call), lambda volume: volume.tags)
        shown, more = page([(v.id, v) for v in found], call.number("MaxResults"), call.text("NextToken"))
        return {"Volumes": [_wire(call, volume) for volume in shown], "NextToken": more}


def create_volume(call: Call) -> Answer:
    """CreateVolume: from a snapshot or empty; `creating` until the copy is there."""
    zone = call.need("AvailabilityZone")
    if zone not in [place.zone for place in network.default_places(call.moto)]:
        raise ApiError("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    snapshot_id, size = call.text("SnapshotId"), call.number("Size")
    if snapshot_id is None and size is None:
        raise missing("size or snapshotId")
    if snapshot_id is not None:
        snapshot = call.store.snapshot(snapshot_id)
        state = snapshot.state(call.store.clock())
        if state != "completed":
            raise ApiError("IncorrectState", f"The snapshot '{snapshot_id}' is not completed: it is {state}.")
        if size is not None and size < snapshot.size:
            raise invalid_value(f"The volume's size {size} is less than the snapshot's, {snapshot.size}.")
    own = tags.at_creation(call.params.get("TagSpecifications"), ("volume",)).get("volume", {})
    ebs = {**call.params, "VolumeSize": size, "VolumeType": call.text("VolumeType") or "gp2"}
    volume = call.ec2.blocks.new_volume(call.store, request.disk("", ebs), zone, None, own)
    call.ec2.scheduler.after(0, f"fill volume {volume.id}", lambda: call.ec2.blocks.fill(call.store, volume.id))
    return _wire(call, volume)


def delete_volume(call: Call) -> Answer:
    """DeleteVolume: of one that no instance has."""
    with call.store.lock:
        volume = call.store.volume(call.need("VolumeId"))
        if volume.state is VolumeState.IN_USE or volume.instance_id is not None:
            raise ApiError("VolumeInUse", f"Volume {volume.id} is currently attached to {volume.instance_id}")
        if volume.state is VolumeState.CREATING:
            raise ApiError("IncorrectState", f"The volume '{volume.id}' is still being created.")
        call.ec2.blocks.drop_volume(call.store, volume.id)
    return None


ACTIONS: Mapping[str, Action] = {
    "CreateVolume": create_volume,
    "DeleteVolume": delete_volume,
    "DescribeVolumes": describe_volumes,
}
