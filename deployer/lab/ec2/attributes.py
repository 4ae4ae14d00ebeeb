"""ModifyInstanceAttribute, DescribeInstanceAttribute and ModifyInstanceMetadataOptions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from deployer.lab.context import Power
from deployer.lab.ec2 import network
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import ApiError, invalid_value, missing
from deployer.lab.ec2.instances import metadata_wire
from deployer.lab.ec2.records import Instance
from deployer.lab.ec2.request import decode_user_data

_SWITCHES = {
    "DisableApiTermination": "protected",
    "DisableApiStop": "stop_protected",
    "EbsOptimized": "ebs_optimized",
}


def _value(call: Call, name: str) -> Any:
    """The new value of an attribute, in either of the two forms that the API takes it."""
    given = call.params.get(name)
    if isinstance(given, Mapping):
        return given.get("Value")
    if str(call.params.get("Attribute") or "").lower() == name.lower():
        return call.params.get("Value")
    return None


def _changes(call: Call, instance: Instance) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name, own in _SWITCHES.items():
        value = _value(call, name)
        if value is not None:
            changes[own] = str(value).lower() == "true"
    kind = _value(call, "InstanceType")
    if kind is not None:
        _require_stopped(instance, "instanceType")
        if kind not in INSTANCE_TYPES:
            raise invalid_value(f"Invalid value '{kind}' for InstanceType.")
        changes["type"] = kind
    data = _value(call, "UserData")
    if data is not None:
        _require_stopped(instance, "userData")
        text = data.decode() if isinstance(data, bytes) else data
        changes["user_data"] = decode_user_data(text)
    behavior = _value(call, "InstanceInitiatedShutdownBehavior")
    if behavior is not None:
        changes["shutdown_behavior"] = behavior
    if call.params.get("Groups"):
        place = network.place_by_subnet(call.moto, instance.subnet)
        changes["groups"] = network.groups(call.moto, place, call.texts("Groups"), ())
    if call.params.get("BlockDeviceMappings"):
        changes["attachments"] = _attachments(call, instance)
    return changes


def _attachments(call: Call, instance: Instance) -> tuple[Any, ...]:
    wanted = {one["DeviceName"]: one.get("Ebs") or {} for one in call.params["BlockDeviceMappings"]}
    unknown = set(wanted) - {attachment.device for attachment in instance.attachments}
    if unknown:
        raise ApiError(
            "InvalidInstanceAttributeValue",
            f"No device is currently mapped at {', '.join(sorted(unknown))} on {instance.id}",
        )
    return tuple(
        replace(a, delete_on_termination=bool(wanted[a.device].get("DeleteOnTermination", a.delete_on_termination)))
        if a.device in wanted
        else a
        for a in instance.attachments
    )


def _require_stopped(instance: Instance, attribute: str) -> None:
    if instance.power is not Power.STOPPED:
        raise ApiError(
            "IncorrectInstanceState",
            f"The instance '{instance.id}' is not in the 'stopped' state: its {attribute} can be changed "
            f"only then, and it is {instance.power.value}.",
        )


def modify_instance_attribute(call: Call) -> Answer:
    """ModifyInstanceAttribute: type and user data of a stopped instance, the rest at any time."""
    with call.store.lock:
        instance = call.store.instance(call.need("InstanceId"))
        changes = _changes(call, instance)
        if not changes:
            raise missing("of an attribute to change")
        call.store.change(instance.id, **changes)
    return None


_ATTRIBUTES: Mapping[str, tuple[str, Callable[[Instance], Any]]] = {
    "instanceType": ("InstanceType", lambda i: {"Value": i.type}),
    "disableApiTermination": ("DisableApiTermination", lambda i: {"Value": i.protected}),
    "disableApiStop": ("DisableApiStop", lambda i: {"Value": i.stop_protected}),
    "ebsOptimized": ("EbsOptimized", lambda i: {"Value": i.ebs_optimized}),
    "enaSupport": ("EnaSupport", lambda i: {"Value": i.ena}),
    "sourceDestCheck": ("SourceDestCheck", lambda _: {"Value": True}),
    "rootDeviceName": ("RootDeviceName", lambda i: {"Value": i.root_device}),
    "groupSet": ("Groups", lambda i: [{"GroupId": g.id, "GroupName": g.name} for g in i.groups]),
    "userData": (
        "UserData",
        lambda i: {"Value": base64.b64encode(i.user_data).decode()} if i.user_data else {},
    ),
    "instanceInitiatedShutdownBehavior": (
        "InstanceInitiatedShutdownBehavior",
        lambda i: {"Value": i.shutdown_behavior},
    ),
    "blockDeviceMapping": (
        "BlockDeviceMappings",
        lambda i: [
            {
                "DeviceName": a.device,
                "Ebs": {
                    "VolumeId": a.volume_id,
                    "Status": "attached",
                    "AttachTime": a.attached,
                    "DeleteOnTermination": a.delete_on_termination,
                },
            }
            for a in i.attachments
        ],
    ),
}


def describe_instance_attribute(call: Call) -> Answer:
    """DescribeInstanceAttribute: one attribute."""
    instance = call.store.instance(call.need("InstanceId"))
    attribute = call.need("Attribute")
    if attribute not in _ATTRIBUTES:
        raise invalid_value(f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    name, read = _ATTRIBUTES[attribute]
    return {"InstanceId": instance.id, name: read(instance)}


def modify_instance_metadata_options(call: Call) -> Answer:
    """ModifyInstanceMetadataOptions."""
    named = {
        "tokens": "HttpTokens",
        "hop_limit": "HttpPutResponseHopLimit",
        "endpoint": "HttpEndpoint",
        "ipv6": "HttpProtocolIpv6",
        "tags": "InstanceMetadataTags",
    }
    with call.store.lock:
        instance = call.store.instance(call.need("InstanceId"))
        given = {own: call.params[api] for own, api in named.items() if call.params.get(api) is not None}
        changed = call.store.change(instance.id, metadata=replace(instance.metadata, **given))
    return {"InstanceId": changed.id, "InstanceMetadataOptions": metadata_wire(changed)}


ACTIONS: Mapping[str, Action] = {
    "ModifyInstanceAttribute": modify_instance_attribute,
    "DescribeInstanceAttribute": describe_instance_attribute,
    "ModifyInstanceMetadataOptions": modify_instance_metadata_options,
}
