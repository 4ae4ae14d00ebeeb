"""What RunInstances was asked for, once the launch template is merged in."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deployer.lab.ec2 import launch_templates, tags
from deployer.lab.ec2.calls import Call
from deployer.lab.ec2.errors import ApiError, invalid_combination, invalid_value, missing
from deployer.lab.ec2.records import DiskMapping, MetadataOptions

USER_DATA_BYTES = 16384
"""EC2 user guide: user data is limited to 16 KB before it is base64-encoded."""


@dataclass(frozen=True)
class DiskWish:
    """A block device of a request: what differs from the image's mapping of the same device."""

    device: str
    ebs: Mapping[str, Any] | None
    no_device: bool = False
    virtual_name: str | None = None


@dataclass(frozen=True)
class LaunchRequest:
    """RunInstances with everything resolved that does not depend on the state of the region."""

    image_id: str
    least: int
    most: int
    instance_type: str = "m1.small"
    zone: str | None = None
    subnet: str | None = None
    address: str | None = None
    group_ids: Sequence[str] = ()
    group_names: Sequence[str] = ()
    key_name: str | None = None
    user_data: bytes = b""
    client_token: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    volume_tags: Mapping[str, str] = field(default_factory=dict)
    disks: Sequence[DiskWish] = ()
    profile_name: str | None = None
    profile_arn: str | None = None
    metadata: MetadataOptions | None = None
    protected: bool = False
    stop_protected: bool = False
    shutdown_behavior: str = "stop"
    ebs_optimized: bool = False
    monitored: bool = False
    boot: float | None = None
    """Seconds the machines take to boot, instead of the lab's setting; no parameter of the API."""
    fingerprint: str = ""
    """A digest of the parameters, to tell a repeated call from another one with the same token."""

    def token_scope(self) -> str:
        """What the client token is valid in: a zone or subnet when the request names one."""
        return self.subnet or self.zone or ""


def parse(call: Call) -> LaunchRequest:
    """The launch that a RunInstances call asks for."""
    params = _with_template(call)
    if not params.get("ImageId"):
        raise missing("ImageId")
    least, most = _counts(call)
    by_kind = tags.at_creation(
        params.get("TagSpecifications"), ("instance", "volume", "network-interface", "spot-instances-request")
    )
    profile = params.get("IamInstanceProfile") or {}
    request = LaunchRequest(
        image_id=str(params["ImageId"]),
        least=least,
        most=most,
        instance_type=str(params.get("InstanceType") or "m1.small"),
        zone=(params.get("Placement") or {}).get("AvailabilityZone") or None,
        key_name=params.get("KeyName") or None,
        user_data=decode_user_data(params.get("UserData")),
        client_token=call.text("ClientToken") or "",
        tags=by_kind.get("instance", {}),
        volume_tags=by_kind.get("volume", {}),
        disks=[_wish(one) for one in params.get("BlockDeviceMappings") or ()],
        profile_name=profile.get("Name") or None,
        profile_arn=profile.get("Arn") or None,
        metadata=_metadata(params.get("MetadataOptions")),
        protected=bool(params.get("DisableApiTermination")),
        stop_protected=bool(params.get("DisableApiStop")),
        shutdown_behavior=str(params.get("InstanceInitiatedShutdownBehavior") or "stop"),
        ebs_optimized=bool(params.get("EbsOptimized")),
        monitored=bool((params.get("Monitoring") or {}).get("Enabled")),
        fingerprint=_fingerprint(call.params),
    )
    if len(request.client_token) > 64 or not request.client_token.isascii():
        raise invalid_value("ClientToken must be at most 64 ASCII characters")
    return _placed(request, params)


def _counts(call: Call) -> tuple[int, int]:
    least, most = call.number("MinCount"), call.number("MaxCount")
    if least is None:
        raise missing("MinCount")
    if most is None:
        raise missing("MaxCount")
    if least < 1:
        raise invalid_value(f"Value ({least}) for parameter minCount is invalid. It must be at least 1.")
    if most < least:
        raise invalid_value(
            f"Value ({most}) for parameter maxCount is invalid. It must not be less than minCount ({least})."
        )
    return least, most


def _placed(request: LaunchRequest, params: Mapping[str, Any]) -> LaunchRequest:
    interfaces = params.get("NetworkInterfaces") or ()
    if not interfaces:
        return replace(
            request,
            subnet=params.get("SubnetId") or None,
            address=params.get("PrivateIpAddress") or None,
            group_ids=tuple(params.get("SecurityGroupIds") or ()),
            group_names=tuple(params.get("SecurityGroups") or ()),
        )
    if params.get("SubnetId") or params.get("SecurityGroupIds"):
        raise invalid_combination(
            "Network interfaces and an instance-level subnet ID or security groups may not be specified on "
            "the same request"
        )
    first = interfaces[0]
    return replace(
        request,
        subnet=first.get("SubnetId") or None,
        address=first.get("PrivateIpAddress") or None,
        group_ids=tuple(first.get("Groups") or ()),
    )


def _with_template(call: Call) -> Mapping[str, Any]:
    """The call's parameters over those of its launch template; tags and disks are joined by key."""
    wanted = call.params.get("LaunchTemplate")
    if not wanted:
        return call.params
    base = launch_templates.data_of(call, wanted)
    merged = {**base, **{key: value for key, value in call.params.items() if value not in (None, "", [])}}
    if base.get("BlockDeviceMappings"):
        own = list(call.params.get("BlockDeviceMappings") or ())
        named = {one.get("DeviceName") for one in own}
        kept = [one for one in base["BlockDeviceMappings"] if one.get("DeviceName") not in named]
        merged["BlockDeviceMappings"] = kept + own
    if base.get("TagSpecifications"):
        merged["TagSpecifications"] = [*base["TagSpecifications"], *(call.params.get("TagSpecifications") or ())]
    return merged


def _wish(given: Mapping[str, Any]) -> DiskWish:
    device = given.get("DeviceName")
    if not device:
        raise missing("BlockDeviceMapping.DeviceName")
    return DiskWish(str(device), given.get("Ebs"), "NoDevice" in given, given.get("VirtualName") or None)


def disk(device: str, ebs: Mapping[str, Any], base: DiskMapping | None = None) -> DiskMapping:
    """A mapping from the API's Ebs structure, over `base` where that is silent."""
    over = base or DiskMapping(device)
    named = {
        "snapshot_id": "SnapshotId",
        "size": "VolumeSize",
        "type": "VolumeType",
        "iops": "Iops",
        "throughput": "Throughput",
        "encrypted": "Encrypted",
        "kms_key": "KmsKeyId",
        "delete_on_termination": "DeleteOnTermination",
    }
    return replace(over, **{own: ebs[api] for own, api in named.items() if ebs.get(api) is not None})


def _metadata(given: Mapping[str, Any] | None) -> MetadataOptions | None:
    if not given:
        return None
    default = MetadataOptions()
    return MetadataOptions(
        tokens=str(given.get("HttpTokens") or default.tokens),
        hop_limit=int(given.get("HttpPutResponseHopLimit") or default.hop_limit),
        endpoint=str(given.get("HttpEndpoint") or default.endpoint),
        ipv6=str(given.get("HttpProtocolIpv6") or default.ipv6),
        tags=str(given.get("InstanceMetadataTags") or default.tags),
    )


def decode_user_data(encoded: Any) -> bytes:
    """User data as it reaches the machine. Raises InvalidUserData.Malformed, and when it is too long."""
    if not encoded:
        return b""
    try:
        data = base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError):
        raise ApiError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    if len(data) > USER_DATA_BYTES:
        raise invalid_value(f"User data is limited to {USER_DATA_BYTES} bytes; {len(data)} were given.")
    return data


def _fingerprint(params: Mapping[str, Any]) -> str:
    told = {key: value for key, value in params.items() if key not in ("ClientToken", "DryRun")}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
