"""Tags: at creation, CreateTags, DeleteTags, DescribeTags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import (
    ApiError,
    image_not_found,
    instances_not_found,
    invalid_value,
    snapshot_not_found,
    volume_not_found,
)
from deployer.lab.ec2.filters import Field, Filter, select
from deployer.lab.ec2.pages import page
from deployer.lab.ec2.records import Image, Instance, Snapshot, Volume

MOST = 50
"""Tags a resource may carry (EC2 user guide, tag restrictions)."""

_KINDS = {"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image"}


def wire(tags: Mapping[str, str]) -> Sequence[Mapping[str, str]] | None:
    """Tags as answers carry them; None when there are none."""
    return [{"Key": key, "Value": value} for key, value in tags.items()] or None


def checked(given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The tags of a request. Raises InvalidParameterValue and TagLimitExceeded by EC2's restrictions."""
    tags = {str(item.get("Key") or ""): str(item.get("Value") or "") for item in given}
    for key, value in tags.items():
        if not key or len(key) > 127:
            raise invalid_value(f"Tag keys must be between 1 and 127 characters; '{key}' has {len(key)}.")
        if len(value) > 255:
            raise invalid_value(f"Tag values may have 255 characters; that of '{key}' has {len(value)}.")
        if key.lower().startswith("aws:"):
            raise invalid_value("Tag keys starting with 'aws:' are reserved for internal use")
    if len(tags) > MOST:
        raise ApiError("TagLimitExceeded", f"More than {MOST} tags were given for one resource.")
    return tags


def at_creation(
    specifications: Sequence[Mapping[str, Any]] | None, allowed: Sequence[str]
) -> dict[str, dict[str, str]]:
    """TagSpecifications by resource type. Raises InvalidParameterValue for a type not in `allowed`."""
    found: dict[str, dict[str, str]] = {}
    for one in specifications or ():
        kind = str(one.get("ResourceType") or "")
        if kind not in allowed:
            raise invalid_value(f"'{kind}' is not a valid taggable resource type for this operation.")
        found.setdefault(kind, {}).update(checked(one.get("Tags") or ()))
    return found


def kind_of(resource_id: str) -> str | None:
    """The resource type of an id that this service owns, None for any other."""
    return _KINDS.get(resource_id.partition("-")[0])


def _split(call: Call) -> tuple[list[str], list[str]]:
    ids = call.need_texts("Resources")
    ours = [i for i in ids if kind_of(i) is not None]
    return ours, [i for i in ids if i not in ours]


def _require(call: Call, resource_id: str) -> Instance | Volume | Snapshot | Image:
    found = call.store.tagged(resource_id)
    if found is not None and call.store.clock() >= found.visible_at:
        return found
    match kind_of(resource_id):
        case "instance":
            raise instances_not_found([resource_id])
        case "image":
            raise image_not_found(resource_id)
        case "snapshot":
            raise snapshot_not_found(resource_id)
        case _:
            raise volume_not_found(resource_id)


def create_tags(call: Call) -> Answer:
    """CreateTags: overwrites by key; all resources must exist, or none is tagged."""
    ours, others = _split(call)
    new = checked(call.params.get("Tags") or ())
    with call.store.lock:
        merged = {i: {**_require(call, i).tags, **new} for i in ours}
        if any(len(tags) > MOST for tags in merged.values()):
            raise ApiError("TagLimitExceeded", f"A resource would have more than {MOST} tags.")
        if others:
            call.moto.do_resources_exist(others)
            call.moto.create_tags(others, new)
        for resource_id, tags in merged.items():
            call.store.set_tags(resource_id, tags)
    return None


def delete_tags(call: Call) -> Answer:
    """DeleteTags: by key, or by key and value; without Tags, all of them. Absent ones are no error."""
    ours, others = _split(call)
    doomed = call.params.get("Tags")
    with call.store.lock:
        for resource_id in ours:
            left = {
                key: value
                for key, value in _require(call, resource_id).tags.items()
                if doomed and not any(_names(one, key, value) for one in doomed)
            }
            call.store.set_tags(resource_id, left)
        if others:
            call.moto.delete_tags(others, {one["Key"]: one.get("Value") for one in doomed or ()})
    return None


def _names(one: Mapping[str, Any], key: str, value: str) -> bool:
    return bool(one.get("Key") == key and one.get("Value") in (None, value))


_FIELDS: Mapping[str, Field[tuple[str, str, str, str]]] = {
    "resource-id": lambda row: row[0],
    "resource-type": lambda row: row[1],
    "key": lambda row: row[2],
    "value": lambda row: row[3],
}


def _row_id(row: tuple[str, str, str, str]) -> str:
    """A row's name for page tokens: its key may hold any character, a token's id may not."""
    return "tag-" + f"{row[0]} {row[2]}".encode().hex()


def _matches(rows: list[tuple[str, str, str, str]], filters: Sequence[Filter]) -> list[tuple[str, str, str, str]]:
    return select(rows, filters, _FIELDS, lambda row: {row[2]: row[3]})


def describe_tags(call: Call) -> Answer:
    """DescribeTags, over this service's resources and moto's."""
    rows = [
        (record.id, str(kind_of(record.id)), key, value)
        for record in call.store.all_tagged()
        for key, value in record.tags.items()
    ]
    rows += [(t["resource_id"], t["resource_type"], t["key"], t["value"]) for t in call.moto.describe_tags()]
    found = _matches(rows, call.filters())
    shown, more = page([(_row_id(row), row) for row in found], call.number("MaxResults"), call.text("NextToken"))
    return {
        "Tags": [dict(zip(("ResourceId", "ResourceType", "Key", "Value"), row, strict=True)) for row in shown],
        "NextToken": more,
    }


ACTIONS: Mapping[str, Action] = {
    "CreateTags": create_tags,
    "DeleteTags": delete_tags,
    "DescribeTags": describe_tags,
}
