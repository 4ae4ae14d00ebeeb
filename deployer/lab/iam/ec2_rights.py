"""Which rights EC2's calls need (Service Authorization Reference, "Actions, resources, and condition keys").

A launch needs one for everything that it uses and makes; tags at creation need CreateTags beside. Other calls need
theirs on the resources that their parameters name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployer.lab.iam.call import Call, Keys, Parameters, of_request, of_resource, tags_of
from deployer.lab.iam.policy import Asked

_OF_NO_ACCOUNT = frozenset({"image", "snapshot"})
_NAMED_BY = {
    "InstanceId": "instance",
    "InstanceIds": "instance",
    "ImageId": "image",
    "SnapshotId": "snapshot",
    "SnapshotIds": "snapshot",
    "VolumeId": "volume",
    "VolumeIds": "volume",
    "LaunchTemplateId": "launch-template",
    "SubnetId": "subnet",
    "GroupId": "security-group",
    "KeyName": "key-pair",
    "NetworkInterfaceId": "network-interface",
    "VpcId": "vpc",
}
_LOOKS_AT_RESOURCES = frozenset(
    {
        *("DescribeImageAttribute", "DescribeInstanceAttribute", "DescribeSnapshotAttribute"),
        *("DescribeVolumeAttribute", "GetConsoleOutput", "GetConsoleScreenshot", "GetLaunchTemplateData"),
        "GetPasswordData",
    }
)
"""Looks that can be narrowed to resources; all others are on `*`."""
_KINDS = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "lt": "launch-template",
    "sg": "security-group",
    "subnet": "subnet",
    "eni": "network-interface",
    "vpc": "vpc",
    "key": "key-pair",
}


def rights(call: Call) -> Iterator[Asked]:
    """The rights that an EC2 call needs."""
    match call.operation:
        case "RunInstances":
            yield from launch(call, call.parameters)
        case "CreateSnapshots":
            yield from _snapshots(call)
        case "RegisterImage":
            yield from _image(call)
        case "CreateTags" | "DeleteTags":
            yield from _tags(call)
        case "CreateLaunchTemplateVersion":
            yield from _template(call)
        case name if name.startswith(("Describe", "Get")) and name not in _LOOKS_AT_RESOURCES:
            yield call.asks()
        case _:
            yield from _named(call)


def launch(call: Call, wish: Parameters) -> Iterator[Asked]:
    """The rights of RunInstances with these parameters, also where another service launches for the caller."""
    template, wish = _with_template(call, wish)
    from_template = {"ec2:launchtemplate": (_arn(call, "launch-template", template),)} if template else {}
    given = _given(wish)
    action = "ec2:RunInstances"
    used = {**from_template, **_flag(call, template)}
    for kind, ids in _uses(wish).items():
        for ident in ids:
            keys = {**used, **of_resource(call.world.tags(ident), "ec2")}
            yield call.asks(_arn(call, kind, ident), keys, action=action)
    if template:
        keys = {**from_template, **of_resource(call.world.tags(template), "ec2")}
        yield call.asks(_arn(call, "launch-template", template), keys, action=action)
    for kind in ("instance", "volume", "network-interface"):
        keys = {**used, **of_request(given.get(kind, {})), **_sort(kind, wish)}
        yield call.asks(_arn(call, kind, "*"), keys, action=action)
    yield from _created(call, given, "RunInstances")
    yield from _passed_role(call, wish.get("IamInstanceProfile"))


def _with_template(call: Call, wish: Parameters) -> tuple[str, Parameters]:
    if not wish.get("LaunchTemplate"):
        return "", wish
    template, data = call.world.template(wish["LaunchTemplate"])
    return template, {**data, **{name: value for name, value in wish.items() if value}}


def _flag(call: Call, template: str) -> Keys:
    """Whether what is used comes from the template or from the request (`ec2:IsLaunchTemplateResource`)."""
    own = set(call.parameters) - {"LaunchTemplate", "MinCount", "MaxCount", "ClientToken", "TagSpecifications"}
    return {"ec2:islaunchtemplateresource": ("false" if own else "true",)} if template else {}


def _uses(wish: Parameters) -> dict[str, Sequence[str]]:
    """What a launch uses, by kind; the default subnet and security group count as any."""
    networks: Sequence[Any] = wish.get("NetworkInterfaces") or ()
    subnets = [str(one["SubnetId"]) for one in (wish, *networks) if one.get("SubnetId")]
    groups = [group for one in networks for group in one.get("Groups") or ()]
    groups += wish.get("SecurityGroupIds") or ()
    disks = wish.get("BlockDeviceMappings") or ()
    return {
        "image": [wish["ImageId"]] if wish.get("ImageId") else [],
        "subnet": subnets or ["*"],
        "security-group": groups or ["*"],
        "key-pair": [wish["KeyName"]] if wish.get("KeyName") else [],
        "snapshot": [one["Ebs"]["SnapshotId"] for one in disks if (one.get("Ebs") or {}).get("SnapshotId")],
    }


def _sort(kind: str, wish: Parameters) -> Keys:
    sort = wish.get("InstanceType")
    return {"ec2:instancetype": (str(sort),)} if kind == "instance" and sort else {}


def _given(wish: Parameters) -> dict[str, dict[str, str]]:
    """The tags that a request gives to what it makes, by kind."""
    return {str(one.get("ResourceType")): tags_of(one.get("Tags")) for one in wish.get("TagSpecifications") or ()}


def _created(call: Call, given: Mapping[str, Mapping[str, str]], by: str) -> Iterator[Asked]:
    """Tags at creation need CreateTags (EC2 user guide, "Grant permission to tag resources during creation")."""
    for kind, tags in given.items():
        if tags:
            keys = {**of_request(tags), "ec2:createaction": (by,)}
            yield call.asks(_arn(call, kind, "*"), keys, action="ec2:CreateTags")


def _passed_role(call: Call, profile: Parameters | None) -> Iterator[Asked]:
    name = str((profile or {}).get("Arn") or (profile or {}).get("Name") or "")
    role = call.world.role_of(name) if name else None
    if role is not None:
        yield call.asks(role, {"iam:passedtoservice": ("ec2.amazonaws.com",)}, action="iam:PassRole")


def _snapshots(call: Call) -> Iterator[Asked]:
    given = _given(call.parameters)
    which: Mapping[str, Any] = call.parameters.get("InstanceSpecification") or {}
    instance = str(which.get("InstanceId", "*"))
    yield _on(call, "instance", instance)
    for volume in call.world.volumes(instance):
        yield _on(call, "volume", volume)
    yield call.asks(_arn(call, "snapshot", "*"), of_request(given.get("snapshot", {})))
    yield from _created(call, given, call.operation)


def _image(call: Call) -> Iterator[Asked]:
    given = _given(call.parameters)
    yield call.asks(_arn(call, "image", "*"), of_request(given.get("image", {})))
    for disk in call.parameters.get("BlockDeviceMappings") or ():
        if (disk.get("Ebs") or {}).get("SnapshotId"):
            yield _on(call, "snapshot", disk["Ebs"]["SnapshotId"])
    yield from _created(call, given, call.operation)


def _tags(call: Call) -> Iterator[Asked]:
    given = tags_of(call.parameters.get("Tags"))
    for ident in call.texts("Resources"):
        kind = _KINDS.get(ident.partition("-")[0], "*")
        keys = {**of_request(given), **of_resource(call.world.tags(ident), "ec2")}
        yield call.asks(_arn(call, kind, ident), keys)


def _template(call: Call) -> Iterator[Asked]:
    template, _ = call.world.template(call.parameters)
    yield _on(call, "launch-template", template or "*")
    yield from _passed_role(call, (call.parameters.get("LaunchTemplateData") or {}).get("IamInstanceProfile"))


def _named(call: Call) -> Iterator[Asked]:
    found = [_on(call, kind, ident) for name, kind in _NAMED_BY.items() for ident in call.texts(name)]
    if not found and call.texts("LaunchTemplateName"):
        template, _ = call.world.template(call.parameters)
        found = [_on(call, "launch-template", template or "*")]
    yield from found or [call.asks()]


def _on(call: Call, kind: str, ident: str) -> Asked:
    return call.asks(_arn(call, kind, ident), of_resource(call.world.tags(ident), "ec2"))


def _arn(call: Call, kind: str, ident: str) -> str:
    return call.arn(f"{kind}/{ident}", service="ec2", account=kind not in _OF_NO_ACCOUNT)
