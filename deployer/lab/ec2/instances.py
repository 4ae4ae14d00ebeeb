"""DescribeInstances, DescribeInstanceStatus and GetConsoleOutput."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from moto.core.utils import get_service_model

from deployer.lab.context import Power
from deployer.lab.ec2 import tags
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.filters import Field, select
from deployer.lab.ec2.pages import page, require_no_ids
from deployer.lab.ec2.records import STATE_CODES, Instance
from deployer.lab.ec2.wire import ShapeWriters, Writer, Xml, timestamp

CHECK_SECONDS = 3.0
"""How long after the start of a machine its status checks say `initializing` (minutes on AWS)."""

_CONSOLE_BYTES = 64 * 1024
"""GetConsoleOutput gives the last 64 KB."""

_written: WeakKeyDictionary[Instance, Xml] = WeakKeyDictionary()


@cache
def _instance_writer() -> Writer:
    return ShapeWriters().writer(get_service_model("ec2").shape_for("Instance"))


def xml_of(instance: Instance) -> Xml:
    """The instance as DescribeInstances shows it; written once for each record."""
    known = _written.get(instance)
    if known is None:
        known = Xml(_instance_writer()(_wire(instance)))
        _written[instance] = known
    return known


def state_wire(power: Power) -> Mapping[str, Any]:
    """An InstanceState structure."""
    return {"Code": STATE_CODES[power], "Name": power.value}


def _wire(instance: Instance) -> dict[str, Any]:
    region = instance.zone[:-1]
    gone = instance.power is Power.TERMINATED
    name = f"ip-{instance.address.replace('.', '-')}.{region}.compute.internal"
    groups = [{"GroupId": group.id, "GroupName": group.name} for group in instance.groups]
    wire: dict[str, Any] = {
        "InstanceId": instance.id,
        "ImageId": instance.image_id,
        "State": state_wire(instance.power),
        "PrivateDnsName": "" if gone else name,
        "PublicDnsName": "",
        "StateTransitionReason": instance.transition,
        "KeyName": instance.key_name,
        "AmiLaunchIndex": instance.launch_index,
        "ProductCodes": [],
        "InstanceType": instance.type,
        "LaunchTime": instance.launched,
        "Placement": {"AvailabilityZone": instance.zone, "GroupName": "", "Tenancy": "default"},
        "Monitoring": {"State": "enabled" if instance.monitored else "disabled"},
        "Architecture": instance.architecture,
        "RootDeviceType": "ebs",
        "RootDeviceName": instance.root_device,
        "BlockDeviceMappings": [_attachment_wire(instance, n) for n in range(len(instance.attachments))],
        "VirtualizationType": instance.virtualization,
        "ClientToken": instance.client_token,
        "Tags": tags.wire(instance.tags),
        "SecurityGroups": [] if gone else groups,
        "Hypervisor": "xen",
        "EbsOptimized": instance.ebs_optimized,
        "EnaSupport": instance.ena,
        "BootMode": instance.boot_mode,
        "CurrentInstanceBootMode": instance.boot_mode or "legacy-bios",
        "TpmSupport": instance.tpm,
        "PlatformDetails": instance.platform_details,
        "UsageOperation": instance.usage_operation,
        "UsageOperationUpdateTime": instance.launched,
        "MetadataOptions": metadata_wire(instance),
        "NetworkInterfaces": [] if gone else [_interface_wire(instance, name, groups)],
        "CpuOptions": {"CoreCount": 1, "ThreadsPerCore": 2},
        "HibernationOptions": {"Configured": False},
        "EnclaveOptions": {"Enabled": False},
    }
    if not gone:
        wire |= {
            "PrivateIpAddress": instance.address,
            "SubnetId": instance.subnet,
            "VpcId": instance.vpc,
            "SourceDestCheck": True,
        }
    if instance.profile is not None:
        wire["IamInstanceProfile"] = {"Arn": instance.profile.arn, "Id": instance.profile.id}
    if instance.reason is not None:
        wire["StateReason"] = {"Code": instance.reason.code, "Message": instance.reason.message}
    return wire


def _attachment_wire(instance: Instance, index: int) -> dict[str, Any]:
    attachment = instance.attachments[index]
    return {
        "DeviceName": attachment.device,
        "Ebs": {
            "VolumeId": attachment.volume_id,
            "Status": "attaching" if instance.power is Power.PENDING else "attached",
            "AttachTime": attachment.attached,
            "DeleteOnTermination": attachment.delete_on_termination,
        },
    }


def _interface_wire(instance: Instance, name: str, groups: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": "eni" + instance.id[1:],
        "SubnetId": instance.subnet,
        "VpcId": instance.vpc,
        "Description": "",
        "Status": "in-use",
        "PrivateIpAddress": instance.address,
        "PrivateDnsName": name,
        "SourceDestCheck": True,
        "InterfaceType": "interface",
        "Groups": groups,
        "Attachment": {
            "AttachmentId": "eni-attach" + instance.id[1:],
            "DeviceIndex": 0,
            "Status": "attached",
            "AttachTime": instance.launched,
            "DeleteOnTermination": True,
        },
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": instance.address, "PrivateDnsName": name}],
    }


def metadata_wire(instance: Instance) -> dict[str, Any]:
    """The instance's metadata options."""
    return {
        "State": "applied",
        "HttpTokens": instance.metadata.tokens,
        "HttpPutResponseHopLimit": instance.metadata.hop_limit,
        "HttpEndpoint": instance.metadata.endpoint,
        "HttpProtocolIpv6": instance.metadata.ipv6,
        "InstanceMetadataTags": instance.metadata.tags,
    }


def reservation_wire(call: Call, instances: Sequence[Instance]) -> dict[str, Any]:
    """The instances of one reservation."""
    return {
        "ReservationId": instances[0].reservation_id,
        "OwnerId": call.account,
        "Groups": [],
        "Instances": [xml_of(instance) for instance in instances],
    }


def _moment(moment: datetime) -> str:
    return timestamp(moment)


FIELDS: Mapping[str, Field[Instance]] = {
    "affinity": lambda _: None,
    "architecture": lambda i: i.architecture,
    "availability-zone": lambda i: i.zone,
    "block-device-mapping.device-name": lambda i: [a.device for a in i.attachments],
    "block-device-mapping.volume-id": lambda i: [a.volume_id for a in i.attachments],
    "client-token": lambda i: i.client_token or None,
    "hypervisor": lambda _: "xen",
    "iam-instance-profile.arn": lambda i: i.profile.arn if i.profile else None,
    "iam-instance-profile.id": lambda i: i.profile.id if i.profile else None,
    "image-id": lambda i: i.image_id,
    "instance-id": lambda i: i.id,
    "instance-state-code": lambda i: str(STATE_CODES[i.power]),
    "instance-state-name": lambda i: i.power.value,
    "instance-type": lambda i: i.type,
    "instance.group-id": lambda i: [g.id for g in i.groups],
    "instance.group-name": lambda i: [g.name for g in i.groups],
    "key-name": lambda i: i.key_name,
    "launch-index": lambda i: str(i.launch_index),
    "launch-time": lambda i: _moment(i.launched),
    "network-interface.subnet-id": lambda i: i.subnet,
    "network-interface.vpc-id": lambda i: i.vpc,
    "owner-id": lambda _: None,
    "platform-details": lambda i: i.platform_details,
    "private-dns-name": lambda i: f"ip-{i.address.replace('.', '-')}.{i.zone[:-1]}.compute.internal",
    "private-ip-address": lambda i: i.address,
    "reservation-id": lambda i: i.reservation_id,
    "root-device-name": lambda i: i.root_device,
    "root-device-type": lambda _: "ebs",
    "subnet-id": lambda i: i.subnet,
    "tenancy": lambda _: "default",
    "virtualization-type": lambda i: i.virtualization,
    "vpc-id": lambda i: i.vpc,
}


def _wanted(call: Call, fields: Mapping[str, Field[Instance]]) -> list[Instance]:
    ids = call.texts("InstanceIds")
    require_no_ids("instancesSet", ids, call.number("MaxResults"))
    found = call.store.instances_by_id(ids) if ids else call.store.shown_instances()
    return select(found, call.filters(), fields, lambda instance: instance.tags)


def describe_instances(call: Call) -> Answer:
    """DescribeInstances: by ids, filters or pages; terminated ones stay for `terminated_shown` seconds."""
    found = _wanted(call, FIELDS)
    shown, more = page([(i.id, i) for i in found], call.number("MaxResults"), call.text("NextToken"))
    reservations: dict[str, list[Instance]] = {}
    for instance in shown:
        reservations.setdefault(instance.reservation_id, []).append(instance)
    return {
        "Reservations": [reservation_wire(call, members) for members in reservations.values()],
        "NextToken": more,
    }


def _check(call: Call, instance: Instance) -> str:
    if instance.power is not Power.RUNNING or instance.started is None:
        return "not-applicable"
    if call.store.clock() - instance.started < CHECK_SECONDS:
        return "initializing"
    return "ok" if call.ec2.machines.is_up(instance.id) else "impaired"


def _summary(status: str) -> Mapping[str, Any]:
    detail = {"ok": "passed", "initializing": "initializing", "impaired": "failed"}.get(status)
    return {
        "Status": status,
        "Details": [{"Name": "reachability", "Status": detail}] if detail else None,
    }


def describe_instance_status(call: Call) -> Answer:
    """DescribeInstanceStatus: running instances only, unless IncludeAllInstances says otherwise."""

    def status(instance: Instance) -> str:
        return _check(call, instance)

    fields: Mapping[str, Field[Instance]] = {
        "availability-zone": FIELDS["availability-zone"],
        "instance-state-code": FIELDS["instance-state-code"],
        "instance-state-name": FIELDS["instance-state-name"],
        "instance-status.status": status,
        "system-status.status": status,
        "attached-ebs-status.status": status,
    }
    found = _wanted(call, fields)
    if not call.flag("IncludeAllInstances"):
        found = [instance for instance in found if instance.power is Power.RUNNING]
    shown, more = page([(i.id, i) for i in found], call.number("MaxResults"), call.text("NextToken"))
    return {
        "InstanceStatuses": [
            {
                "InstanceId": instance.id,
                "AvailabilityZone": instance.zone,
                "InstanceState": state_wire(instance.power),
                "InstanceStatus": _summary(status(instance)),
                "SystemStatus": _summary(status(instance)),
                "AttachedEbsStatus": _summary(status(instance)),
            }
            for instance in shown
        ],
        "NextToken": more,
    }


def get_console_output(call: Call) -> Answer:
    """GetConsoleOutput: what the machine has written so far, the last 64 KB of it."""
    instance = call.store.instance(call.need("InstanceId"))
    output = b"" if instance.power is Power.PENDING else call.ec2.machines.console(instance.id)
    return {
        "InstanceId": instance.id,
        "Timestamp": call.store.now(),
        "Output": base64.b64encode(output[-_CONSOLE_BYTES:]).decode() if output else None,
    }


ACTIONS: Mapping[str, Action] = {
    "DescribeInstances": describe_instances,
    "DescribeInstanceStatus": describe_instance_status,
    "GetConsoleOutput": get_console_output,
}
