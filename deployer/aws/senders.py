"""What else sends a fleet its traffic: whatever a rollout could not drive is named, so that none is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.aws.balancers import BalancerReader, FoundBalancer, is_gateway
from deployer.aws.query import FleetQuery

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_elbv2.type_defs import TargetGroupTypeDef

ANYWHERE = "all"
"""The zone of an address that lies outside of its target group's VPC (ELBv2 API reference, TargetDescription)."""

_SHOWN = 3


@dataclass(frozen=True)
class Places:
    """Where a fleet can be reached: its instances' ids, the addresses of all their interfaces, their VPCs."""

    ids: frozenset[str]
    addresses: Mapping[str, str]
    """Address → instance id."""
    vpcs: frozenset[str]


def places_of(raw: Sequence[InstanceTypeDef]) -> Places:
    """From DescribeInstances, secondary interfaces and addresses and IPv6 included."""
    addresses: dict[str, str] = {}
    for one in raw:
        ident = one.get("InstanceId", "")
        found = [one.get("PrivateIpAddress", ""), one.get("Ipv6Address", "")]
        for interface in one.get("NetworkInterfaces", []):
            found += [item.get("PrivateIpAddress", "") for item in interface.get("PrivateIpAddresses", [])]
            found += [item.get("Ipv6Address", "") for item in interface.get("Ipv6Addresses", [])]
        addresses |= {address: ident for address in found if address}
    ids = frozenset(one.get("InstanceId", "") for one in raw)
    return Places(ids, addresses, frozenset(one.get("VpcId", "") for one in raw))


def undriven(
    reader: BalancerReader, places: Places, found: Sequence[FoundBalancer], query: FleetQuery, region: str
) -> Iterator[str]:
    """What sends the fleet traffic, or may, and that a rollout would not drive: a sentence each.

    An empty `found` is believed only where the settings say that there is none. Raises AwsError.
    """
    known = frozenset(item.balancer.id for item in found) | frozenset(query.neighbours)
    said = [*_groups(reader, places, known), *_classic(reader, places, known)]
    yield from said
    if query.balancers is None and not found and not said:
        yield (
            f"nothing in {region} was found to send traffic to fleet {query.fleet}: its instances are in no target "
            f"group and no classic load balancer; name what does in [fleet.{query.fleet}], or write there "
            f"`balancers = []` if nothing does"
        )


def _groups(reader: BalancerReader, places: Places, known: frozenset[str]) -> Iterator[str]:
    for group in reader.groups():
        name = group.get("TargetGroupName", "")
        if {group.get("TargetGroupArn", ""), name} & known:
            continue
        match group.get("TargetType", "instance"):
            case "instance" if group.get("VpcId", "") in places.vpcs:
                yield from _by_id(reader, group, places, name)
            case "ip":
                there = _by_address(reader, group, places)
                if there:
                    yield (
                        f"the target group {name} sends traffic to {_shown(there)} by address; a rollout registers "
                        f"instances by id, so their successors would get none of it: register the fleet in a "
                        f"target group of type instance, and take its addresses out of {name}"
                    )
            case _:
                pass


def _by_id(reader: BalancerReader, group: TargetGroupTypeDef, places: Places, name: str) -> Iterator[str]:
    gateway = is_gateway(group)
    if not gateway and not group.get("LoadBalancerArns"):
        return  # attached to nothing, it sends nothing
    there = sorted(places.ids & reader.members_of_group(group.get("TargetGroupArn", "")))
    if not there:
        return
    if gateway:
        yield (
            f"the target group {name} of a Gateway Load Balancer holds {_shown(there)}; it sends packets (GENEVE), "
            f"whose flows nobody can drain here: take the instances out of the fleet's `find`"
        )
    else:
        yield (
            f"{_shown(there)} is registered with the target group {name} too, which is not among the fleet's "
            f"`balancers`, so nothing would drain it there; add {name} to them, or deregister the instances"
        )


def _by_address(reader: BalancerReader, group: TargetGroupTypeDef, places: Places) -> list[str]:
    """Addresses of another VPC may be the same ones: they count only where the target lies outside of its VPC."""
    inside = group.get("VpcId", "") in places.vpcs
    targets = reader.targets_of(group.get("TargetGroupArn", ""))
    hit = {at["Id"] for at in targets if inside or at.get("AvailabilityZone") == ANYWHERE}
    return [f"{address} ({places.addresses[address]})" for address in sorted(hit & places.addresses.keys())]


def _classic(reader: BalancerReader, places: Places, known: frozenset[str]) -> Iterator[str]:
    for name, instances in reader.classic_members().items():
        there = sorted(instances & places.ids)
        if there and name not in known:
            yield (
                f"{_shown(there)} is registered with the classic load balancer {name} too, which is not among the "
                f"fleet's `balancers`, so nothing would drain it there; add {name} to them, or deregister the "
                f"instances"
            )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
