"""DescribeImages, DescribeImageAttribute, ModifyImageAttribute and DeregisterImage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from deployer.lab.ec2 import tags
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import image_unavailable, invalid_value
from deployer.lab.ec2.filters import Field, select
from deployer.lab.ec2.pages import page, require_no_ids
from deployer.lab.ec2.records import DiskMapping, Image
from deployer.lab.ec2.wire import timestamp


def mapping_wire(mapping: DiskMapping) -> dict[str, Any]:
    """One block device mapping of an image."""
    if mapping.virtual_name is not None:
        return {"DeviceName": mapping.device, "VirtualName": mapping.virtual_name}
    return {
        "DeviceName": mapping.device,
        "Ebs": {
            "DeleteOnTermination": mapping.delete_on_termination,
            "Iops": mapping.iops,
            "SnapshotId": mapping.snapshot_id,
            "VolumeSize": mapping.size,
            "VolumeType": mapping.type,
            "Throughput": mapping.throughput,
            "KmsKeyId": mapping.kms_key,
            "Encrypted": mapping.encrypted,
        },
    }


def _wire(call: Call, image: Image) -> dict[str, Any]:
    state = image.state(call.store.clock())
    return {
        "ImageId": image.id,
        "Name": image.name,
        "ImageLocation": f"{call.account}/{image.name}",
        "State": state,
        "StateReason": {"Code": "Client.InvalidSnapshot", "Message": image.failure} if image.failure else None,
        "OwnerId": call.account,
        "CreationDate": timestamp(image.created),
        "Public": image.public,
        "Architecture": image.architecture,
        "ImageType": "machine",
        "Description": image.description or None,
        "PlatformDetails": image.platform_details,
        "UsageOperation": image.usage_operation,
        "BlockDeviceMappings": [mapping_wire(mapping) for mapping in image.mappings],
        "EnaSupport": image.ena or None,
        "SriovNetSupport": image.sriov,
        "Hypervisor": "xen",
        "RootDeviceName": image.root_device,
        "RootDeviceType": "ebs",
        "VirtualizationType": image.virtualization,
        "BootMode": image.boot_mode,
        "TpmSupport": image.tpm,
        "ImdsSupport": image.imds,
        "SourceInstanceId": image.source_instance,
        "SourceImageId": image.source_image,
        "SourceImageRegion": image.source_region,
        "Tags": tags.wire(image.tags),
    }


def _fields(call: Call) -> Mapping[str, Field[Image]]:
    clock = call.store.clock()
    return {
        "architecture": lambda i: i.architecture,
        "block-device-mapping.device-name": lambda i: [m.device for m in i.mappings],
        "block-device-mapping.snapshot-id": lambda i: i.snapshot_ids(),
        "creation-date": lambda i: timestamp(i.created),
        "description": lambda i: i.description or None,
        "ena-support": lambda i: str(i.ena).lower(),
        "hypervisor": lambda _: "xen",
        "image-id": lambda i: i.id,
        "image-type": lambda _: "machine",
        "is-public": lambda i: str(i.public).lower(),
        "name": lambda i: i.name,
        "owner-id": lambda _: call.account,
        "root-device-name": lambda i: i.root_device,
        "root-device-type": lambda _: "ebs",
        "source-instance-id": lambda i: i.source_instance,
        "state": lambda i: i.state(clock),
        "virtualization-type": lambda i: i.virtualization,
    }


def describe_images(call: Call) -> Answer:
    """DescribeImages: by ids, owners, filters or pages. Every image here is this account's own."""
    ids = call.texts("ImageIds")
    require_no_ids("imageIdsSet", ids, call.number("MaxResults"))
    if ids:
        found = [call.store.image(i) for i in ids]
    else:
        with call.store.lock:
            found = [i for i in call.store.images.values() if call.store.clock() >= i.visible_at]
    owners = call.texts("Owners")
    if owners and not {"self", call.account} & set(owners):
        found = []
    found = select(found, call.filters(), _fields(call), lambda image: image.tags)
    shown, more = page([(i.id, i) for i in found], call.number("MaxResults"), call.text("NextToken"), smallest=1)
    return {"Images": [_wire(call, image) for image in shown], "NextToken": more}


def deregister_image(call: Call) -> Answer:
    """DeregisterImage: it cannot be launched any more; its instances live on, its snapshots remain.

    With DeleteAssociatedSnapshots the snapshots go too, unless another image is made of them.
    """
    with call.store.lock:
        image_id = call.need("ImageId")
        if image_id in call.store.deregistered:
            raise image_unavailable(image_id, "deregistered")
        image = call.store.image(image_id)
        del call.store.images[image.id]
        call.store.deregistered.add(image.id)
        if not call.flag("DeleteAssociatedSnapshots"):
            return {"Return": True}
        results = []
        for snapshot_id in image.snapshot_ids():
            used = bool(call.store.images_on(snapshot_id))
            results.append({"SnapshotId": snapshot_id, "ReturnCode": "skipped" if used else "success"})
            if not used:
                call.store.snapshots.pop(snapshot_id, None)
                call.ec2.blocks.snapshots.discard(snapshot_id)
    return {"Return": True, "DeleteSnapshotResults": results}


_ATTRIBUTES: Mapping[str, tuple[str, Callable[[Image], Any]]] = {
    "description": ("Description", lambda i: {"Value": i.description}),
    "launchPermission": (
        "LaunchPermissions",
        lambda i: [{"UserId": user} for user in sorted(i.shared_with)] + [{"Group": "all"}] * i.public,
    ),
    "blockDeviceMapping": ("BlockDeviceMappings", lambda i: [mapping_wire(m) for m in i.mappings]),
    "bootMode": ("BootMode", lambda i: {"Value": i.boot_mode}),
    "tpmSupport": ("TpmSupport", lambda i: {"Value": i.tpm}),
    "imdsSupport": ("ImdsSupport", lambda i: {"Value": i.imds}),
    "sriovNetSupport": ("SriovNetSupport", lambda i: {"Value": i.sriov}),
}


def describe_image_attribute(call: Call) -> Answer:
    """DescribeImageAttribute: one attribute."""
    image = call.store.image(call.need("ImageId"))
    attribute = call.need("Attribute")
    if attribute not in _ATTRIBUTES:
        raise invalid_value(f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    name, read = _ATTRIBUTES[attribute]
    return {"ImageId": image.id, name: read(image)}


def _permissions(call: Call, image: Image) -> Image:
    """The image with the request's launch permissions, in either of the API's two forms."""
    users, public = set(image.shared_with), image.public
    given: Mapping[str, Any] = call.params.get("LaunchPermission") or {}
    operation = call.text("OperationType")
    listed = [{"UserId": u} for u in call.texts("UserIds")] + [{"Group": g} for g in call.texts("UserGroups")]
    added = [*(given.get("Add") or ()), *(listed if operation == "add" else ())]
    removed = [*(given.get("Remove") or ()), *(listed if operation == "remove" else ())]
    for one in added:
        users |= {one["UserId"]} if one.get("UserId") else set()
        public = public or one.get("Group") == "all"
    for one in removed:
        users -= {one.get("UserId")}
        public = public and one.get("Group") != "all"
    return replace(image, shared_with=frozenset(users), public=public)


def modify_image_attribute(call: Call) -> Answer:
    """ModifyImageAttribute: launch permissions, description, ImdsSupport."""
    with call.store.lock:
        image = call.store.image(call.need("ImageId"))
        changed = _permissions(call, image)
        description, imds = call.params.get("Description"), call.params.get("ImdsSupport")
        if isinstance(description, Mapping):
            changed = replace(changed, description=str(description.get("Value") or ""))
        elif call.text("Attribute") == "description":
            changed = replace(changed, description=call.text("Value") or "")
        if isinstance(imds, Mapping):
            changed = replace(changed, imds=imds.get("Value"))
        call.store.images[image.id] = changed
    return None


ACTIONS: Mapping[str, Action] = {
    "DescribeImages": describe_images,
    "DeregisterImage": deregister_image,
    "DescribeImageAttribute": describe_image_attribute,
    "ModifyImageAttribute": modify_image_attribute,
}
