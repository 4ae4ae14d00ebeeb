"""Launch templates. moto keeps them (its Auto Scaling reads them there); what it gets wrong is done here:
a version made from another one, pages, deleted versions, and a template's own tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moto.ec2.utils import parse_user_data

from deployer.lab.ec2 import tags
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.errors import ApiError, invalid_combination, invalid_value, missing
from deployer.lab.ec2.pages import page


def _find(call: Call, given: Mapping[str, Any]) -> Any:
    """The template that `given` names by LaunchTemplateId or LaunchTemplateName; exactly one of them."""
    template_id, name = given.get("LaunchTemplateId"), given.get("LaunchTemplateName")
    if template_id and name:
        raise invalid_combination("Specify the launch template's ID or its name, not both.")
    if template_id:
        return call.moto.get_launch_template(template_id)
    if name:
        return call.moto.get_launch_template_by_name(name)
    raise missing("LaunchTemplateId or LaunchTemplateName")


def _version(template: Any, named: str) -> Any:
    """A version by number, `$Latest` or `$Default`; raises InvalidLaunchTemplateId.VersionNotFound."""
    living = {v.number: v for v in template.versions if v is not None}
    if named == "$Latest":
        return living[max(living)]
    if named == "$Default":
        return living[template.default_version_number]
    if not named.isdigit():
        raise invalid_value(f"Invalid launch template version '{named}': a number, $Latest or $Default.")
    if int(named) not in living:
        raise ApiError(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {named} for the launch template with ID {template.id}.",
        )
    return living[int(named)]


def find_version(call: Call, wanted: Mapping[str, Any]) -> tuple[Any, Any]:
    """The template and the version that a specification means; `$Default` unless it names one."""
    template = _find(call, wanted)
    return template, _version(template, str(wanted.get("Version") or "$Default"))


def data_of(call: Call, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """The launch data that a RunInstances call's LaunchTemplate parameter means."""
    data = dict(find_version(call, wanted)[1].data)
    if data.get("UserData") is not None:
        data["UserData"] = str(data["UserData"])
    return data


def _data(call: Call) -> dict[str, Any]:
    data = dict(call.params.get("LaunchTemplateData") or {})
    if data.get("UserData") is not None:
        data["UserData"] = parse_user_data(data["UserData"])
    return data


def _template_wire(call: Call, template: Any) -> dict[str, Any]:
    living = [v.number for v in template.versions if v is not None]
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:aws:iam::{call.account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": max(living),
        "Tags": tags.wire(call.moto.tags.get(template.id, {})),
    }


def _version_wire(call: Call, template: Any, version: Any) -> dict[str, Any]:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": version.number,
        "VersionDescription": version.description,
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:aws:iam::{call.account}:root",
        "DefaultVersion": version.number == template.default_version_number,
        "LaunchTemplateData": version.data,
    }


def create(call: Call) -> Answer:
    """CreateLaunchTemplate: version 1, which is the default."""
    name = call.need("LaunchTemplateName")
    own = tags.at_creation(call.params.get("TagSpecifications"), ("launch-template",))
    template = call.moto.create_launch_template(name, call.text("VersionDescription"), _data(call), own)
    return {"LaunchTemplate": _template_wire(call, template)}


def create_version(call: Call) -> Answer:
    """CreateLaunchTemplateVersion: with SourceVersion, the given data over that version's."""
    template = _find(call, call.params)
    data = _data(call)
    source = call.text("SourceVersion")
    if source is not None:
        data = {**_version(template, source).data, **data}
    version = template.create_version(data, call.text("VersionDescription"))
    return {"LaunchTemplateVersion": _version_wire(call, template, version)}


def modify(call: Call) -> Answer:
    """ModifyLaunchTemplate: sets the default version."""
    template = _find(call, call.params)
    default = call.text("DefaultVersion")
    if default is not None:
        template.default_version_number = _version(template, default).number
    return {"LaunchTemplate": _template_wire(call, template)}


def describe_versions(call: Call) -> Answer:
    """DescribeLaunchTemplateVersions, newest first, in pages."""
    wanted = call.texts("Versions")
    pairs: list[tuple[Any, Any]]
    if call.text("LaunchTemplateId") or call.text("LaunchTemplateName"):
        template = _find(call, call.params)
        pairs = [(template, version) for version in _chosen(call, template, wanted)]
    elif wanted and set(wanted) <= {"$Latest", "$Default"}:
        pairs = [(t, _version(t, named)) for t in call.moto.launch_templates.values() for named in wanted]
    else:
        raise missing("LaunchTemplateId or LaunchTemplateName, or Versions of $Latest and $Default only")
    shown, more = page(
        [(f"{t.id}{v.number:09d}", (t, v)) for t, v in pairs],
        call.number("MaxResults"),
        call.text("NextToken"),
        smallest=1,
    )
    return {"LaunchTemplateVersions": [_version_wire(call, t, v) for t, v in shown], "NextToken": more}


def _chosen(call: Call, template: Any, wanted: Sequence[str]) -> list[Any]:
    if wanted:
        return [_version(template, named) for named in wanted]
    least = int(call.text("MinVersion") or 1)
    most = int(call.text("MaxVersion") or len(template.versions))
    return [v for v in reversed(template.versions) if v is not None and least <= v.number <= most]


def delete_versions(call: Call) -> Answer:
    """DeleteLaunchTemplateVersions: the default version is refused, the others go."""
    template = _find(call, call.params)
    gone, kept = [], []
    for named in call.need_texts("Versions"):
        identity = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name}
        try:
            version = _version(template, named)
        except ApiError as problem:
            error = {"Code": "launchTemplateVersionDoesNotExist", "Message": problem.message}
            kept.append({**identity, "VersionNumber": named, "ResponseError": error})
            continue
        if version.number == template.default_version_number:
            message = f"Version {version.number} is the default version and cannot be deleted."
            error = {"Code": "unexpectedError", "Message": message}
            kept.append({**identity, "VersionNumber": version.number, "ResponseError": error})
            continue
        # moto finds a version by its place in the list, so a deleted one leaves its place empty.
        template.versions[version.number - 1] = None
        gone.append({**identity, "VersionNumber": version.number})
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": gone,
        "UnsuccessfullyDeletedLaunchTemplateVersions": kept,
    }


def delete(call: Call) -> Answer:
    """DeleteLaunchTemplate, with all its versions."""
    template = _find(call, call.params)
    wire = _template_wire(call, template)
    call.moto.delete_launch_template(None, template.id)
    return {"LaunchTemplate": wire}


ACTIONS: Mapping[str, Action] = {
    "CreateLaunchTemplate": create,
    "CreateLaunchTemplateVersion": create_version,
    "ModifyLaunchTemplate": modify,
    "DescribeLaunchTemplateVersions": describe_versions,
    "DeleteLaunchTemplateVersions": delete_versions,
    "DeleteLaunchTemplate": delete,
}
