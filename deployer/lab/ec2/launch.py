"""RunInstances: from a request to pending instances."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployer.lab.context import Power
from deployer.lab.ec2 import network, request
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.capacity import insufficient
from deployer.lab.ec2.errors import (
    ApiError,
    image_not_found,
    image_unavailable,
    invalid_value,
    require_well_formed,
)
from deployer.lab.ec2.instances import reservation_wire
from deployer.lab.ec2.network import Place
from deployer.lab.ec2.records import (
    LIVE,
    Attachment,
    DiskMapping,
    Group,
    Image,
    Instance,
    MetadataOptions,
    Profile,
)
from deployer.lab.ec2.request import DiskWish, LaunchRequest
from deployer.lab.ec2.store import Store, TokenUse

_TRIES = 512


@dataclass(frozen=True)
class Plan:
    """Everything a launch needs, found and checked before anything is made."""

    image: Image
    place: Place
    disks: tuple[DiskMapping, ...]
    groups: tuple[Group, ...]
    profile: Profile | None
    addresses: tuple[str, ...]
    """One for each instance; also how many there will be."""


def run_instances(call: Call) -> Answer:
    """RunInstances: all of MaxCount, or as many as there is capacity for, down to MinCount."""
    return reservation_wire(call, launch(call, request.parse(call)))


def launch(call: Call, wanted: LaunchRequest) -> Sequence[Instance]:
    """Makes the instances, or finds those that the same client token made before."""
    store = call.store
    with store.lock:
        repeated = _repeated(store, wanted)
        if repeated is not None:
            return repeated
        plan = _plan(call, wanted)
        reservation = store.new_id("r")
        made = [_make(call, wanted, plan, reservation, index) for index in range(len(plan.addresses))]
        if wanted.client_token:
            use = TokenUse(wanted.fingerprint, reservation, tuple(instance.id for instance in made))
            store.tokens[wanted.token_scope(), wanted.client_token] = use
    for instance in made:
        call.power.launch(instance)
    return made


def _repeated(store: Store, wanted: LaunchRequest) -> Sequence[Instance] | None:
    use = store.tokens.get((wanted.token_scope(), wanted.client_token)) if wanted.client_token else None
    if use is None:
        return None
    if use.fingerprint != wanted.fingerprint:
        raise ApiError(
            "IdempotentParameterMismatch",
            f"The client token '{wanted.client_token}' was used before with other parameters "
            f"(reservation {use.reservation_id}).",
        )
    found = [store.instances[i] for i in use.instance_ids if i in store.instances]
    if all(instance.power is Power.TERMINATED for instance in found):
        raise ApiError(
            "IdempotentInstanceTerminated",
            f"The client token '{wanted.client_token}' was used for {', '.join(use.instance_ids)}, "
            "which has been terminated.",
        )
    return found


def _plan(call: Call, wanted: LaunchRequest) -> Plan:
    image = launchable(call.store, wanted.image_id)
    network.require_key_pair(call.moto, wanted.key_name)
    network.require_type_runs(wanted.instance_type, image)
    place = _place(call, wanted)
    count = call.ec2.capacity.room(call.store.instances.values(), place.zone, wanted.instance_type, wanted.most)
    if count < wanted.least:
        raise insufficient(place.zone, wanted.instance_type)
    if wanted.address and wanted.most > 1:
        raise ApiError(
            "InvalidParameterCombination", "A private IP address can be given for a single instance only."
        )
    disks = _disks(call, image, wanted.disks)
    for disk in disks:
        if disk.snapshot_id is not None:
            call.ec2.blocks.require_snapshot(call.store, disk.snapshot_id)
    return Plan(
        image=image,
        place=place,
        disks=disks,
        groups=network.groups(call.moto, place, wanted.group_ids, wanted.group_names),
        profile=network.profile(call.account, wanted.profile_name, wanted.profile_arn),
        addresses=_addresses(call, wanted, place, count),
    )


def launchable(store: Store, image_id: str) -> Image:
    """The image, if an instance can be launched from it now.

    Raises InvalidAMIID.Malformed, .NotFound, and .Unavailable for one that is pending, failed or
    deregistered.
    """
    require_well_formed("ami", [image_id])
    if image_id in store.deregistered:
        raise image_unavailable(image_id, "deregistered")
    image = store.images.get(image_id)
    if image is None or store.clock() < image.visible_at:
        raise image_not_found(image_id)
    state = image.state(store.clock())
    if state != "available":
        raise image_unavailable(image_id, state)
    return image


def _place(call: Call, wanted: LaunchRequest) -> Place:
    if call.store.region != call.ec2.settings.region:
        raise ApiError(
            "Unsupported",
            f"This lab has machines in {call.ec2.settings.region} only; the launch was asked of "
            f"{call.store.region}.",
        )
    if wanted.subnet is not None:
        place = network.place_by_subnet(call.moto, wanted.subnet)
        if wanted.zone not in (None, place.zone):
            raise invalid_value(
                f"The specified availability zone '{wanted.zone}' is not that of subnet '{place.subnet}' "
                f"('{place.zone}')."
            )
        return place
    places = network.default_places(call.moto)
    if wanted.zone is not None:
        found = [place for place in places if place.zone == wanted.zone]
        if not found:
            raise invalid_value(
                f"Invalid availability zone: [{wanted.zone}]; this lab has "
                f"{', '.join(place.zone for place in places)}."
            )
        return found[0]
    if not places:
        raise ApiError("MissingInput", "No subnets found for the default VPC. Please specify a subnet.")
    live = [i.zone for i in call.store.instances.values() if i.power in LIVE]
    return min(places, key=lambda place: live.count(place.zone))


def _disks(call: Call, image: Image, wishes: Sequence[DiskWish]) -> tuple[DiskMapping, ...]:
    """The image's mappings with the request's over them; devices without EBS make no volume."""
    disks: dict[str, DiskMapping] = {m.device: m for m in image.mappings if m.virtual_name is None}
    for wish in wishes:
        if wish.no_device:
            disks.pop(wish.device, None)
        elif wish.ebs is not None:
            disks[wish.device] = _checked_disk(call, wish.device, wish.ebs, disks.get(wish.device))
    if image.root_device not in disks:
        raise ApiError("InvalidBlockDeviceMapping", f"The root device {image.root_device} must not be suppressed.")
    return tuple(disks.values())


def _checked_disk(call: Call, device: str, ebs: Mapping[str, object], base: DiskMapping | None) -> DiskMapping:
    mapping = request.disk(device, ebs, base)
    if mapping.snapshot_id is None and mapping.size is None:
        raise ApiError(
            "InvalidBlockDeviceMapping", f"Device {device} needs a snapshot or a volume size; it has neither."
        )
    if mapping.snapshot_id is not None and mapping.size is not None:
        least = call.store.snapshot(mapping.snapshot_id).size
        if mapping.size < least:
            raise ApiError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {mapping.size}GB is smaller than snapshot '{mapping.snapshot_id}', "
                f"expect size >= {least}GB",
            )
    return mapping


def _addresses(call: Call, wanted: LaunchRequest, place: Place, count: int) -> tuple[str, ...]:
    taken = call.store.addresses_in_use()
    if wanted.address is None:
        found: list[str] = []
        while len(found) < count:
            found.append(_free_address(call, place, taken.union(found)))
        return tuple(found)
    if ipaddress.ip_address(wanted.address) not in ipaddress.ip_network(place.cidr):
        raise invalid_value(f"Address {wanted.address} does not fall within the subnet's range {place.cidr}")
    if wanted.address in taken:
        raise ApiError("InvalidIPAddress.InUse", f"Address {wanted.address} is in use.")
    return (wanted.address,)


def _free_address(call: Call, place: Place, taken: set[str]) -> str:
    for _ in range(_TRIES):
        # What nothing is bound to may still belong to a stopped instance, or to one that has not booted.
        address = call.ec2.machines.free_address(place.zone)
        if address not in taken:
            return address
    raise ApiError("InsufficientFreeAddressesInSubnet", f"The subnet '{place.subnet}' has no free address left.")


def _make(call: Call, wanted: LaunchRequest, plan: Plan, reservation: str, index: int) -> Instance:
    store, image = call.store, plan.image
    instance_id = store.new_id("i")
    launched = store.now()
    volumes = [
        (m, call.ec2.blocks.new_volume(store, m, plan.place.zone, instance_id, wanted.volume_tags))
        for m in plan.disks
    ]
    metadata = wanted.metadata or MetadataOptions()
    if image.imds == "v2.0":
        # EC2 user guide: instances of an image with ImdsSupport v2.0 require a token by default.
        metadata = wanted.metadata or replace(metadata, tokens="required", hop_limit=2)
    instance = Instance(
        id=instance_id,
        reservation_id=reservation,
        image_id=image.id,
        type=wanted.instance_type,
        zone=plan.place.zone,
        subnet=plan.place.subnet,
        vpc=plan.place.vpc,
        address=plan.addresses[index],
        power=Power.PENDING,
        launched=launched,
        visible_at=store.clock() + call.ec2.settings.visibility_lag,
        root_device=image.root_device,
        architecture=image.architecture,
        virtualization=image.virtualization,
        launch_index=index,
        ena=image.ena,
        boot_mode=image.boot_mode,
        tpm=image.tpm,
        platform_details=image.platform_details,
        usage_operation=image.usage_operation,
        key_name=wanted.key_name,
        user_data=wanted.user_data,
        client_token=wanted.client_token,
        tags=dict(wanted.tags),
        groups=plan.groups,
        attachments=tuple(
            Attachment(m.device, volume.id, launched, m.delete_on_termination) for m, volume in volumes
        ),
        metadata=metadata,
        profile=plan.profile,
        protected=wanted.protected,
        stop_protected=wanted.stop_protected,
        shutdown_behavior=wanted.shutdown_behavior,
        ebs_optimized=wanted.ebs_optimized,
        monitored=wanted.monitored,
        boot=wanted.boot,
    )
    store.instances[instance_id] = instance
    return instance


ACTIONS: Mapping[str, Action] = {"RunInstances": run_instances}
