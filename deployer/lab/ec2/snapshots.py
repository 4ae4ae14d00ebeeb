"""CreateSnapshot, CreateSnapshots, DescribeSnapshots and DeleteSnapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.lab.ec2 import tags
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import ApiError, missing
from deployer.lab.ec2.filters import Field, select
from deployer.lab.ec2.pages import page, require_no_ids
from deployer.lab.ec2.records import LIVE, Snapshot, Volume, VolumeState
from deployer.lab.ec2.wire import timestamp


def _wire(call: Call, snapshot: Snapshot) -> dict[str, Any]:
    clock = call.store.clock()
    return {
        "SnapshotId": snapshot.id,
        "VolumeId": snapshot.volume_id,
        "State": snapshot.state(clock),
        "StateMessage": snapshot.failure,
        "StartTime": snapshot.started,
        "Progress": snapshot.progress(clock),
        "OwnerId": call.account,
        "Description": snapshot.description,
        "VolumeSize": snapshot.size,
        "Encrypted": snapshot.encrypted,
        "KmsKeyId": snapshot.kms_key,
        "StorageTier": "standard",
        "Tags": tags.wire(snapshot.tags),
    }


def _fields(call: Call) -> Mapping[str, Field[Snapshot]]:
    clock = call.store.clock()
    return {
        "description": lambda s: s.description,
        "encrypted": lambda s: str(s.encrypted).lower(),
        "owner-id": lambda _: call.account,
        "progress": lambda s: s.progress(clock),
        "snapshot-id": lambda s: s.id,
        "start-time": lambda s: timestamp(s.started),
        "status": lambda s: s.state(clock),
        "storage-tier": lambda _: "standard",
        "volume-id": lambda s: s.volume_id,
        "volume-size": lambda s: str(s.size),
    }


def describe_snapshots(call: Call) -> Answer:
    """DescribeSnapshots: `pending` with its progress, then `completed`."""
    ids = call.texts("SnapshotIds")
    require_no_ids("snapshotSet", ids, call.number("MaxResults"))
    if ids:
        found = [call.store.snapshot(i) for i in ids]
    else:
        with call.store.lock:
            found = [s for s in call.store.snapshots.values() if call.store.clock() >= s.visible_at]
    owners = call.texts("OwnerIds")
    if owners and not {"self", call.account} & set(owners):
        found = []
    found = select(found, call.filters(), _fields(call), lambda snapshot: snapshot.tags)
    shown, more = page([(s.id, s) for s in found], call.number("MaxResults"), call.text("NextToken"))
    return {"Snapshots": [_wire(call, snapshot) for snapshot in shown], "NextToken": more}


def _require_usable(volume: Volume) -> None:
    if volume.state is VolumeState.CREATING:
        raise ApiError("IncorrectState", f"The volume '{volume.id}' is still being created.")


def create_snapshot(call: Call) -> Answer:
    """CreateSnapshot: of the volume as it is when the call arrives."""
    volume = call.store.volume(call.need("VolumeId"))
    _require_usable(volume)
    own = tags.at_creation(call.params.get("TagSpecifications"), ("snapshot",)).get("snapshot", {})
    blocks = call.ec2.blocks
    snapshot = blocks.new_snapshot(call.store, volume, call.text("Description") or "", own)
    blocks.take(call.store, [snapshot])
    return _wire(call, snapshot)


def create_snapshots(call: Call) -> Answer:
    """CreateSnapshots: all volumes of an instance at one moment, its root left out if asked for."""
    wanted = call.params.get("InstanceSpecification") or {}
    if not wanted.get("InstanceId"):
        raise missing("InstanceSpecification.InstanceId")
    instance = call.store.instance(wanted["InstanceId"])
    if instance.power not in LIVE:
        raise ApiError(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' has no volumes to copy: it is {instance.power.value}.",
        )
    left_out = set(wanted.get("ExcludeDataVolumeIds") or ())
    if str(wanted.get("ExcludeBootVolume")).lower() == "true" and instance.root_volume:
        left_out.add(instance.root_volume)
    own = tags.at_creation(call.params.get("TagSpecifications"), ("snapshot",)).get("snapshot", {})
    made = []
    for attachment in instance.attachments:
        if attachment.volume_id in left_out:
            continue
        volume = call.store.volume(attachment.volume_id)
        _require_usable(volume)
        copied = volume.tags if call.text("CopyTagsFromSource") == "volume" else {}
        description = call.text("Description") or ""
        made.append(call.ec2.blocks.new_snapshot(call.store, volume, description, {**copied, **own}))
    call.ec2.blocks.take(call.store, made)
    wires = [_wire(call, snapshot) for snapshot in made]
    return {"Snapshots": [{k: w[k] for k in w if k not in _NOT_IN_INFO} for w in wires]}


_NOT_IN_INFO = ("StateMessage", "KmsKeyId", "StorageTier")
"""CreateSnapshots answers with SnapshotInfo, which lacks these members of Snapshot."""


def delete_snapshot(call: Call) -> Answer:
    """DeleteSnapshot: refused while an image is made of it."""
    with call.store.lock:
        snapshot = call.store.snapshot(call.need("SnapshotId"))
        users = call.store.images_on(snapshot.id)
        if users:
            raise ApiError(
                "InvalidSnapshot.InUse", f"The snapshot {snapshot.id} is currently in use by {', '.join(users)}"
            )
        del call.store.snapshots[snapshot.id]
    call.ec2.blocks.snapshots.discard(snapshot.id)
    return None


ACTIONS: Mapping[str, Action] = {
    "CreateSnapshot": create_snapshot,
    "CreateSnapshots": create_snapshots,
    "DescribeSnapshots": describe_snapshots,
    "DeleteSnapshot": delete_snapshot,
}
