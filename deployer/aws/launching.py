"""Launching instances: one RunInstances an order, because the token that makes it safe belongs to the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from deployer.aws.ec2 import BURSTABLE, Models, as_instance, tags_of
from deployer.aws.errors import attempt
from deployer.engine.ports import LaunchOrder
from deployer.model.fleet import Instance
from deployer.model.outcome import Done, Outcome, Permanent, Unknown

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

PARALLEL = 4
"""RunInstances calls at once: the published rate is a burst of 5, then 2 a second."""

MOST_TAGS = 50
_REPEATS = 2


def launch_all(ec2: EC2Client, models: Models, orders: Sequence[LaunchOrder]) -> dict[str, Outcome[Instance]]:
    """Launches every order, a few at a time; the outcomes by token."""
    if not orders:
        return {}
    with ThreadPoolExecutor(max_workers=min(PARALLEL, len(orders))) as pool:
        outcomes = pool.map(lambda order: launch(ec2, models, order), orders)
        return dict(zip((order.token for order in orders), outcomes, strict=True))


def launch(
    ec2: EC2Client,
    models: Models,
    order: LaunchOrder,
    *,
    carry_tags: bool = True,
    disks: Sequence[Any] = (),
    on_demand: bool = False,
) -> Outcome[Instance]:
    """Launches one order. A lost answer is asked for again with the same token, then looked up by it.

    `carry_tags`: with the model's own tags. `disks`: block device mappings beside those of the image.
    `on_demand`: not on the spot market, though the model may be.
    """
    model = models.get(order.model)
    if model is None:
        return Permanent(f"{order.model}, whose settings {order.slot} should take over, does not exist any more")
    settings = models.settings(model)
    if not isinstance(settings, Done):
        return settings
    request = run_request(order, model, settings.value, tags_of(model) if carry_tags else {})
    if disks:
        request["BlockDeviceMappings"] = list(disks)
    if on_demand:
        request.pop("InstanceMarketOptions", None)
    outcome: Outcome[Instance] = Unknown(f"launching into {order.slot} was not tried")
    for _ in range(_REPEATS):
        outcome = _run(ec2, request, order.slot)
        if not isinstance(outcome, Unknown):
            return outcome
    return by_token(ec2, order.token, outcome)


def run_request(
    order: LaunchOrder, model: InstanceTypeDef, settings: Mapping[str, Any], own_tags: Mapping[str, str]
) -> dict[str, Any]:
    """The RunInstances parameters for one order. Pure."""
    tags = [{"Key": key, "Value": value} for key, value in carried_tags(own_tags, order.tags).items()]
    network = _network(order, model)
    placement = {**settings.get("Placement", {}), **network.pop("Placement", {})}
    request = {
        **settings,
        **network,
        "ImageId": order.image,
        "MinCount": 1,
        "MaxCount": 1,
        "ClientToken": order.token,
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
    }
    if placement:
        request["Placement"] = placement
    if order.instance_type is not None and order.instance_type != settings.get("InstanceType"):
        request["InstanceType"] = order.instance_type
        request.pop("EbsOptimized", None)  # each type has a default of its own, and some take nothing else
        if not order.instance_type.startswith(BURSTABLE):
            request.pop("CreditSpecification", None)
    return request


def carried_tags(own: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """A new instance's tags: its model's own ones and this rollout's.

    Tags that begin with `aws:` are AWS's to set, and those of an earlier rollout of ours do not hold any more.
    """
    kept = {key: value for key, value in own.items() if not key.startswith(("aws:", "deployer:"))}
    return dict(list({**ours, **{k: v for k, v in kept.items() if k not in ours}}.items())[:MOST_TAGS])


def _network(order: LaunchOrder, model: InstanceTypeDef) -> dict[str, Any]:
    """Where it goes. A public address that AWS gave the model is asked for; otherwise the subnet decides."""
    groups = [group.get("GroupId", "") for group in model.get("SecurityGroups", [])]
    subnet = order.subnet or model.get("SubnetId", "")
    if not subnet:
        placement: dict[str, Any] = {"Placement": {"AvailabilityZone": order.zone}}
        return {**placement, **({"SecurityGroupIds": groups} if groups else {})}
    if _has_address_of_amazon(model):
        interface = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": groups, "AssociatePublicIpAddress": True}
        return {"NetworkInterfaces": [interface]}
    return {"SubnetId": subnet, **({"SecurityGroupIds": groups} if groups else {})}


def _has_address_of_amazon(model: InstanceTypeDef) -> bool:
    """An Elastic IP belongs to the account and moves by hand; one of Amazon's comes with the launch."""
    return any(
        interface.get("Association", {}).get("IpOwnerId") == "amazon"
        for interface in model.get("NetworkInterfaces", [])
    )


def _run(ec2: EC2Client, request: Mapping[str, Any], slot: str) -> Outcome[Instance]:
    outcome = attempt(lambda: ec2.run_instances(**request), f"launching an instance into {slot}")
    if not isinstance(outcome, Done):
        return outcome
    launched = outcome.value.get("Instances", [])
    if not launched:
        return Unknown(f"launching an instance into {slot}: the answer names no instance")
    return Done(as_instance(launched[0]), outcome.request_id)


def by_token(ec2: EC2Client, token: str, otherwise: Outcome[Instance]) -> Outcome[Instance]:
    """The instance that was launched with `token`; an empty answer proves nothing, so then `otherwise`."""
    outcome = attempt(
        lambda: ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [token]}]),
        "looking up a launch by its token",
    )
    if isinstance(outcome, Done):
        for reservation in outcome.value.get("Reservations", []):
            for raw in reservation.get("Instances", []):
                return Done(as_instance(raw), outcome.request_id)
    return otherwise
