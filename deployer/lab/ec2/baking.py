"""Where images come from: RegisterImage, CreateImage and CopyImage."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployer.lab.context import Power
from deployer.lab.ec2 import request, tags
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import ApiError, incorrect_state, invalid_value, missing
from deployer.lab.ec2.records import DiskMapping, Image, Instance, Snapshot
from deployer.lab.ec2.store import Store
from deployer.lab.ec2.troubles import Trouble

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
"""EC2 API reference, RegisterImage, Name."""

_ARCHITECTURES = ("i386", "x86_64", "arm64", "x86_64_mac", "arm64_mac")


def _new_name(store: Store, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ApiError(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', "
            f"'[', ']', ' ', '.', '/', '-', ''', '@' and '_' only; this one is {name!r}.",
        )
    holder = next((image.id for image in store.images.values() if image.name == name), None)
    if holder is not None:
        raise ApiError("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {holder}")
    return name


def register_image(call: Call) -> Answer:
    """RegisterImage: i386 and paravirtual unless the call says otherwise."""
    with call.store.lock:
        name = _new_name(call.store, call.need("Name"))
        mappings = _mappings(call)
        root = call.need("RootDeviceName")
        if root not in [m.device for m in mappings if m.snapshot_id is not None]:
            raise ApiError(
                "InvalidBlockDeviceMapping",
                f"The root device {root} is not among the block device mappings with a snapshot: "
                f"{', '.join(m.device for m in mappings) or 'there is none'}.",
            )
        architecture = call.text("Architecture") or "i386"
        if architecture not in _ARCHITECTURES:
            raise invalid_value(f"Invalid value '{architecture}' for architecture.")
        image = Image(
            id=call.store.new_id("ami"),
            name=name,
            created=call.store.now(),
            visible_at=call.store.clock() + call.ec2.settings.visibility_lag,
            ready_at=_ready(call, call.store.clock()),
            failure=_failure(call),
            root_device=root,
            mappings=mappings,
            architecture=architecture,
            virtualization=call.text("VirtualizationType") or "paravirtual",
            description=call.text("Description") or "",
            ena=call.flag("EnaSupport"),
            sriov=call.text("SriovNetSupport"),
            boot_mode=call.text("BootMode"),
            tpm=call.text("TpmSupport"),
            imds=call.text("ImdsSupport"),
            tags=tags.at_creation(call.params.get("TagSpecifications"), ("image",)).get("image", {}),
        )
        call.store.images[image.id] = image
    return {"ImageId": image.id}


def _mappings(call: Call) -> tuple[DiskMapping, ...]:
    """The request's mappings, each snapshot completed and each size filled in."""
    mappings = []
    for given in call.params.get("BlockDeviceMappings") or ():
        device = given.get("DeviceName")
        if not device:
            raise missing("BlockDeviceMapping.DeviceName")
        if given.get("VirtualName"):
            mappings.append(DiskMapping(device, virtual_name=given["VirtualName"]))
            continue
        # RegisterImage makes gp2 volumes where the mapping does not say (EC2 user guide).
        mapping = request.disk(device, given.get("Ebs") or {}, DiskMapping(device, type="gp2"))
        if mapping.snapshot_id is not None:
            mapping = _on_snapshot(call, mapping, call.store.snapshot(mapping.snapshot_id))
        elif mapping.size is None:
            raise missing(f"snapshotId or size of device {device}")
        mappings.append(mapping)
    return tuple(mappings)


def _on_snapshot(call: Call, mapping: DiskMapping, snapshot: Snapshot) -> DiskMapping:
    state = snapshot.state(call.store.clock())
    if state != "completed":
        raise ApiError("IncorrectState", f"The snapshot '{snapshot.id}' is not completed: its state is {state}.")
    if mapping.size is not None and mapping.size < snapshot.size:
        raise ApiError(
            "InvalidBlockDeviceMapping",
            f"Volume of size {mapping.size}GB is smaller than snapshot '{snapshot.id}', "
            f"expect size >= {snapshot.size}GB",
        )
    return replace(mapping, size=mapping.size or snapshot.size, encrypted=mapping.encrypted or snapshot.encrypted)


def create_image(call: Call) -> Answer:
    """CreateImage: reboots a running instance for a clean disk, unless NoReboot."""
    store = call.store
    with store.lock:
        instance = store.instance(call.need("InstanceId"))
        if instance.power not in (Power.RUNNING, Power.STOPPED):
            raise incorrect_state(
                f"The instance '{instance.id}' is not in a valid state to make an image of: it is "
                f"{instance.power.value}, and must be running or stopped."
            )
        name = _new_name(store, call.need("Name"))
        by_kind = tags.at_creation(call.params.get("TagSpecifications"), ("image", "snapshot"))
        image_id = store.new_id("ami")
        mappings, snapshots = _of_instance(call, instance, image_id, by_kind.get("snapshot", {}))
        source = store.images.get(instance.image_id)
        store.images[image_id] = Image(
            id=image_id,
            name=name,
            created=store.now(),
            visible_at=store.clock() + call.ec2.settings.visibility_lag,
            ready_at=None,
            root_device=instance.root_device,
            mappings=mappings,
            architecture=instance.architecture,
            virtualization=instance.virtualization,
            description=call.text("Description") or "",
            ena=instance.ena,
            sriov=source.sriov if source else None,
            boot_mode=instance.boot_mode,
            tpm=instance.tpm,
            imds=source.imds if source else None,
            platform_details=instance.platform_details,
            usage_operation=instance.usage_operation,
            source_instance=instance.id,
            source_image=instance.image_id,
            tags=by_kind.get("image", {}),
        )
    _take(call, instance, image_id, snapshots)
    return {"ImageId": image_id}


def _of_instance(
    call: Call, instance: Instance, image_id: str, own: Mapping[str, str]
) -> tuple[tuple[DiskMapping, ...], list[Snapshot]]:
    wishes = {one["DeviceName"]: one for one in call.params.get("BlockDeviceMappings") or ()}
    mappings, snapshots = [], []
    for attachment in instance.attachments:
        wish = wishes.get(attachment.device, {})
        if "NoDevice" in wish:
            continue
        volume = call.store.volumes[attachment.volume_id]
        description = f"Created by CreateImage({instance.id}) for {image_id}"
        snapshot = call.ec2.blocks.new_snapshot(call.store, volume, description, own)
        snapshots.append(snapshot)
        base = DiskMapping(
            device=attachment.device,
            snapshot_id=snapshot.id,
            size=volume.size,
            type=volume.type,
            iops=volume.iops,
            throughput=volume.throughput,
            encrypted=volume.encrypted,
            kms_key=volume.kms_key,
            delete_on_termination=attachment.delete_on_termination,
        )
        mappings.append(request.disk(attachment.device, wish.get("Ebs") or {}, base))
    return tuple(mappings), snapshots


def _take(call: Call, instance: Instance, image_id: str, snapshots: Sequence[Snapshot]) -> None:
    store, blocks = call.store, call.ec2.blocks

    def take() -> None:
        blocks.take(store, snapshots)
        _complete(call, image_id, snapshots)

    if instance.power is Power.STOPPED or call.flag("NoReboot"):
        take()
    else:
        call.ec2.scheduler.after(
            0, f"make image {image_id} of {instance.id}", lambda: call.power.cycle(instance.id, take)
        )


def _complete(call: Call, image_id: str, snapshots: Sequence[Snapshot]) -> None:
    """Sets when the image becomes available, now that its snapshots have been taken."""
    with call.store.lock:
        taken = [call.store.snapshots[s.id] for s in snapshots if s.id in call.store.snapshots]
        image = call.store.images.get(image_id)
        if image is None:
            return
        begun = max((s.ready_at or 0.0 for s in taken), default=call.store.clock())
        failure = next((s.failure for s in taken if s.failure), None) or _failure(call)
        call.store.images[image_id] = replace(image, ready_at=_ready(call, begun), failure=failure)


def _ready(call: Call, begun: float) -> float:
    """When an image is available whose snapshots are complete at `begun`."""
    return math.inf if call.ec2.troubles.take(Trouble.IMAGE_STUCK) else begun + call.ec2.settings.image


def _failure(call: Call) -> str | None:
    """Why an image fails, if it was ordered to."""
    return "Trouble was ordered in the lab" if call.ec2.troubles.take(Trouble.IMAGE_FAILED) else None


def copy_image(call: Call) -> Answer:
    """CopyImage: an image of its own, on copies of the source's snapshots."""
    source_region = call.need("SourceRegion")
    source_store = call.ec2.region(source_region).store
    source = source_store.image(call.need("SourceImageId"))
    state = source.state(source_store.clock())
    if state != "available":
        raise ApiError("InvalidRequest", f"The image '{source.id}' cannot be copied: its state is {state}.")
    store = call.store
    own = tags.at_creation(call.params.get("TagSpecifications"), ("image", "snapshot"))
    with store.lock:
        name = _new_name(store, call.need("Name"))
        copies = {i: _copied(call, source_store.snapshot(i), own) for i in source.snapshot_ids()}
        image = replace(
            source,
            id=store.new_id("ami"),
            name=name,
            created=store.now(),
            visible_at=store.clock() + call.ec2.settings.visibility_lag,
            ready_at=None,
            mappings=tuple(
                replace(m, snapshot_id=copies[m.snapshot_id].id) if m.snapshot_id else m for m in source.mappings
            ),
            description=call.text("Description") or source.description,
            source_instance=None,
            source_image=source.id,
            source_region=source_region,
            tags={**(source.tags if call.flag("CopyImageTags") else {}), **own.get("image", {})},
            public=False,
            shared_with=frozenset(),
        )
        store.images[image.id] = image

    def copy() -> None:
        shelf = call.ec2.blocks.snapshots
        for original, made in copies.items():
            shelf.copy_to(original, shelf.path(made.id))
            ready = store.clock() + call.ec2.settings.snapshot
            with store.lock:
                store.snapshots[made.id] = replace(store.snapshots[made.id], ready_at=ready)
        _complete(call, image.id, list(copies.values()))

    call.ec2.scheduler.after(0, f"copy image {source.id} to {image.id}", copy)
    return {"ImageId": image.id}


def _copied(call: Call, original: Snapshot, own: Mapping[str, Mapping[str, str]]) -> Snapshot:
    copy = replace(
        original,
        id=call.store.new_id("snap"),
        started=call.store.now(),
        started_at=call.store.clock(),
        ready_at=None,
        description=f"Copied for a CopyImage of {original.id}",
        tags=dict(own.get("snapshot", {})),
    )
    call.store.snapshots[copy.id] = copy
    return copy


ACTIONS: Mapping[str, Action] = {
    "RegisterImage": register_image,
    "CreateImage": create_image,
    "CopyImage": copy_image,
}
