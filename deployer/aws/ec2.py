"""EC2 instances: reading them, and what a new one takes over from the one it stands in for."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deployer.aws.errors import attempt
from deployer.aws.query import existing_only
from deployer.model.fleet import Instance, InstanceState, tags_for
from deployer.model.outcome import Done, Outcome, Permanent

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

PAGE = 1000
"""The most instances that one page of DescribeInstances holds."""

BURSTABLE = ("t2.", "t3.", "t3a.", "t4g.")
"""The families that have CPU credits, and take a credit specification."""
_ASK_AT_MOST = 3


def describe(ec2: EC2Client, filters: Sequence[FilterTypeDef]) -> list[InstanceTypeDef]:
    """Every existing instance that matches all `filters`, over all pages. Raises vendor errors."""
    found: list[InstanceTypeDef] = []
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[*filters, existing_only()], PaginationConfig={"PageSize": PAGE}
    )
    for page in pages:
        for reservation in page.get("Reservations", []):
            found.extend(reservation.get("Instances", []))
    return found


def tags_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """The tags of an EC2 resource as a mapping."""
    return {tag.get("Key", ""): tag.get("Value", "") for tag in raw.get("Tags", [])}


def as_instance(raw: InstanceTypeDef, fleet: str | None = None) -> Instance:
    """An instance as DescribeInstances or RunInstances gives it, in the model's words.

    With `fleet` its tags are as that fleet sees them: what others have installed on it is no release of this one.
    """
    launched = raw.get("LaunchTime")
    return Instance(
        id=raw.get("InstanceId", ""),
        state=InstanceState(raw.get("State", {}).get("Name", "pending")),
        zone=raw.get("Placement", {}).get("AvailabilityZone", ""),
        image=raw.get("ImageId", ""),
        type=str(raw.get("InstanceType", "")),
        address=raw.get("PrivateIpAddress", ""),
        addresses=tuple(sorted(filter(None, _addresses(raw)))),
        tags=tags_of(raw) if fleet is None else tags_for(fleet, tags_of(raw)),
        client_token=raw.get("ClientToken", ""),
        launched_at=launched.timestamp() if launched else 0.0,
        subnet=raw.get("SubnetId", ""),
        spot=raw.get("InstanceLifecycle") == "spot",
    )


def _addresses(raw: InstanceTypeDef) -> Iterator[str]:
    """The private addresses of all network interfaces, IPv6 ones too: a target group may send to either kind."""
    for interface in raw.get("NetworkInterfaces", []):
        yield from (found.get("PrivateIpAddress", "") for found in interface.get("PrivateIpAddresses", []))
        yield from (found.get("Ipv6Address", "") for found in interface.get("Ipv6Addresses", []))


class Models:
    """What is carried over to a new instance from the one it stands in for; safe to use from any thread.

    An instance loses its network settings when it is terminated, so each is remembered as it was last seen
    alive: a replacement for an instance that died can still be launched like it.
    """

    def __init__(self, ec2: EC2Client, *, carry_user_data: bool = True) -> None:
        self._ec2 = ec2
        self._carry_user_data = carry_user_data
        self._lock = threading.Lock()
        self._seen: dict[str, InstanceTypeDef] = {}
        self._user_data: dict[str, bytes] = {}
        self._credits: dict[str, str] = {}

    def remember(self, found: Sequence[InstanceTypeDef]) -> None:
        """Keeps what was seen of instances that are not on their way out."""
        with self._lock:
            for raw in found:
                if InstanceState(raw.get("State", {}).get("Name", "pending")).alive:
                    self._seen[raw.get("InstanceId", "")] = raw

    def get(self, instance: str) -> InstanceTypeDef | None:
        """The instance as last seen alive; asks AWS for one that was never seen. None if there is none."""
        with self._lock:
            known = self._seen.get(instance)
        if known is not None:
            return known
        match attempt(
            lambda: describe(self._ec2, [{"Name": "instance-id", "Values": [instance]}]), "finding an instance"
        ):
            case Done(value=found):
                self.remember(found)
        with self._lock:
            return self._seen.get(instance)

    def settings(self, raw: InstanceTypeDef) -> Outcome[dict[str, Any]]:
        """The RunInstances parameters for an instance like this one, network, image and tags excepted.

        Not Done when its user data cannot be read: a launch without it would be another kind of instance.
        """
        user_data = self._user_data_of(raw.get("InstanceId", "")) if self._carry_user_data else Done(b"")
        if not isinstance(user_data, Done):
            return user_data
        settings: dict[str, Any] = {
            "InstanceType": raw.get("InstanceType"),
            "KeyName": raw.get("KeyName"),
            "EbsOptimized": raw.get("EbsOptimized") or None,
            "Monitoring": _monitoring(raw),
            "IamInstanceProfile": _profile(raw),
            "MetadataOptions": _metadata_options(raw),
            "Placement": _placement(raw),
            "EnclaveOptions": _enabled(raw, "EnclaveOptions", "Enabled"),
            "HibernationOptions": _enabled(raw, "HibernationOptions", "Configured"),
            "InstanceMarketOptions": {"MarketType": "spot"} if raw.get("InstanceLifecycle") == "spot" else None,
            "CreditSpecification": self._credit_specification(raw),
            "UserData": user_data.value,
        }
        return Done({key: value for key, value in settings.items() if value})

    def _user_data_of(self, instance: str) -> Outcome[bytes]:
        """The instance's user data, else that of another of its fleet: a dead instance is not asked any more."""
        with self._lock:
            candidates = [instance, *(ident for ident in self._seen if ident != instance)]
        outcome: Outcome[bytes] = Permanent(f"there is no user data to be read of {instance}")
        for candidate in candidates[:_ASK_AT_MOST]:
            outcome = self._read_user_data(candidate)
            if isinstance(outcome, Done):
                return outcome
        return outcome

    def _read_user_data(self, instance: str) -> Outcome[bytes]:
        with self._lock:
            if instance in self._user_data:
                return Done(self._user_data[instance])
        answer = attempt(
            lambda: self._ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData"),
            f"reading the user data of {instance}",
        )
        if not isinstance(answer, Done):
            return answer
        # boto3 hands out base64 here, and encodes what RunInstances is given.
        data = base64.b64decode(answer.value.get("UserData", {}).get("Value", ""))
        with self._lock:
            self._user_data[instance] = data
        return Done(data)

    def _credit_specification(self, raw: InstanceTypeDef) -> dict[str, str] | None:
        ident, kind = raw.get("InstanceId", ""), str(raw.get("InstanceType", ""))
        if not kind.startswith(BURSTABLE):
            return None
        with self._lock:
            known = self._credits.get(ident)
        if known is None:
            match attempt(
                lambda: self._ec2.describe_instance_credit_specifications(InstanceIds=[ident]),
                f"reading the CPU credits of {ident}",
            ):
                case Done(value=answer):
                    known = next((c.get("CpuCredits", "") for c in answer["InstanceCreditSpecifications"]), "")
                case _:
                    known = ""
            with self._lock:
                self._credits[ident] = known
        return {"CpuCredits": known} if known else None


def _monitoring(raw: InstanceTypeDef) -> dict[str, bool] | None:
    return {"Enabled": True} if raw.get("Monitoring", {}).get("State") in ("enabled", "pending") else None


def _profile(raw: InstanceTypeDef) -> dict[str, str] | None:
    arn = raw.get("IamInstanceProfile", {}).get("Arn")
    return {"Arn": arn} if arn else None


def _metadata_options(raw: InstanceTypeDef) -> dict[str, Any]:
    keep = ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "HttpProtocolIpv6", "InstanceMetadataTags")
    options: Mapping[str, Any] = raw.get("MetadataOptions", {})
    return {key: options[key] for key in keep if key in options}


def _placement(raw: InstanceTypeDef) -> dict[str, Any]:
    placement: Mapping[str, Any] = raw.get("Placement", {})
    kept = {key: placement[key] for key in ("GroupName", "HostId", "HostResourceGroupArn") if placement.get(key)}
    if placement.get("Tenancy", "default") != "default":
        kept["Tenancy"] = placement["Tenancy"]
    return kept


def _enabled(raw: Mapping[str, Any], option: str, key: str) -> dict[str, bool] | None:
    return {key: True} if raw.get(option, {}).get(key) else None
