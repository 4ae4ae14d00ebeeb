"""What launches need to know of networks, keys and roles, which moto keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.iam.models import iam_backends

from deployer.lab.ec2.errors import ApiError, invalid_value
from deployer.lab.ec2.records import Group, Image, Profile


@dataclass(frozen=True)
class Place:
    """A subnet: where an instance stands."""

    subnet: str
    vpc: str
    zone: str
    cidr: str


def _place(subnet: Any) -> Place:
    return Place(subnet.id, subnet.vpc_id, subnet.availability_zone, subnet.cidr_block)


def place_by_subnet(moto: Any, subnet_id: str) -> Place:
    """The subnet of this id. Raises InvalidSubnetID.NotFound."""
    try:
        return _place(moto.get_subnet(subnet_id))
    except ServiceException:
        raise ApiError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist") from None


def default_places(moto: Any) -> list[Place]:
    """The default subnets, one a zone, in the order of the zones' names."""
    return sorted((_place(s) for s in moto.get_default_subnets().values()), key=lambda place: place.zone)


def groups(moto: Any, place: Place, ids: Sequence[str], names: Sequence[str]) -> tuple[Group, ...]:
    """The security groups named; the network's default group when none is."""
    if not ids and not names:
        default = moto.get_default_security_group(place.vpc)
        return (Group(default.id, default.name),) if default is not None else ()
    found = []
    for group_id in ids:
        group = moto.get_security_group_from_id(group_id)
        if group is None:
            raise ApiError("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        found.append(Group(group.id, group.name))
    for name in names:
        group = moto.get_security_group_from_name(name, place.vpc)
        if group is None:
            raise ApiError(
                "InvalidGroup.NotFound", f"The security group '{name}' does not exist in VPC '{place.vpc}'"
            )
        found.append(Group(group.id, group.name))
    return tuple(found)


def require_key_pair(moto: Any, name: str | None) -> None:
    """Raises InvalidKeyPair.NotFound when there is no key pair of this name."""
    if name is not None and name not in moto.key_pairs:
        raise ApiError("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")


def profile(account: str, name: str | None, arn: str | None) -> Profile | None:
    """The IAM instance profile by name or ARN. Raises InvalidParameterValue when there is none."""
    if not name and not arn:
        return None
    iam = iam_backends[account]["aws"]
    try:
        found = iam.get_instance_profile(name) if name else iam.get_instance_profile_by_arn(arn or "")
    except ServiceException:
        found = None
    if found is None:
        which = f"Name ({name})" if name else f"ARN ({arn})"
        raise invalid_value(
            f"Value for parameter iamInstanceProfile is invalid. Invalid IAM Instance Profile {which}"
        )
    return Profile(found.arn, found.id)


def require_type_runs(instance_type: str, image: Image) -> None:
    """Refuses an image that the instance type cannot run: wrong processor, or paravirtual on hvm hardware.

    This is what catches an image registered with RegisterImage's defaults (i386, paravirtual).
    """
    known = INSTANCE_TYPES.get(instance_type)
    if known is None:
        raise invalid_value(f"Invalid value '{instance_type}' for InstanceType.")
    processors = known.get("ProcessorInfo", {}).get("SupportedArchitectures", ["x86_64"])
    if image.architecture not in processors:
        raise invalid_value(
            f"The architecture '{','.join(processors)}' of the specified instance type does not match the "
            f"architecture '{image.architecture}' of the specified AMI. Specify an instance type and an AMI "
            "that have matching architectures, and try again."
        )
    virtualizations = known.get("SupportedVirtualizationTypes", ["hvm"])
    if image.virtualization not in virtualizations:
        raise ApiError(
            "InvalidParameterCombination",
            f"The instance type '{instance_type}' cannot run images of virtualization type "
            f"'{image.virtualization}': it supports {', '.join(virtualizations)}.",
        )
