"""The actions on whole groups: create, update, describe, delete, size, tags, balancers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from deployer.lab.autoscaling.calls import Action, Answer, Call
from deployer.lab.autoscaling.errors import Refused, invalid
from deployer.lab.autoscaling.hook_actions import read_hook
from deployer.lab.autoscaling.pools import Pool
from deployer.lab.autoscaling.records import COUNTED, Group, Lifecycle, Source
from deployer.lab.autoscaling.shown import group_wire, tags_wire

_FURTHER = (
    "PlacementGroup",
    "CapacityRebalance",
    "MaxInstanceLifetime",
    "DefaultInstanceWarmup",
    "InstanceMaintenancePolicy",
    "ServiceLinkedRoleARN",
    "DesiredCapacityType",
    "Context",
    "AvailabilityZoneDistribution",
)
_PAGE, _MOST_IN_PAGE = 50, 100


def _source(call: Call) -> Source | None:
    """What the call says new members are made from; None when it says nothing."""
    given = [k for k in ("LaunchTemplate", "MixedInstancesPolicy", "LaunchConfigurationName") if call.params.get(k)]
    if not given:
        return None
    if len(given) > 1:
        raise invalid(f"Valid requests must contain only one of: {', '.join(given)}")
    source = Source(
        template=_whole(call, call.params.get("LaunchTemplate")),
        configuration=call.text("LaunchConfigurationName"),
        mixed=_whole_policy(call, call.params.get("MixedInstancesPolicy")),
    )
    call.service.life.launcher.check(source)
    return source


def _whole(call: Call, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A specification as groups show it: id, name, and the version as it was given."""
    if not given:
        return None
    if given.get("LaunchTemplateId") and given.get("LaunchTemplateName"):
        raise invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    found = call.service.life.launcher.template(given)
    return {**found.wire(), "Version": str(given.get("Version") or "$Default")}


def _whole_policy(call: Call, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not given:
        return None
    launch = dict(given.get("LaunchTemplate") or {})
    if not launch.get("LaunchTemplateSpecification"):
        raise invalid("MixedInstancesPolicy must have a LaunchTemplateSpecification")
    launch["LaunchTemplateSpecification"] = _whole(call, launch["LaunchTemplateSpecification"])
    distribution = {
        "OnDemandAllocationStrategy": "prioritized",
        "OnDemandBaseCapacity": 0,
        "OnDemandPercentageAboveBaseCapacity": 100,
        "SpotAllocationStrategy": "lowest-price",
        **(given.get("InstancesDistribution") or {}),
    }
    return {"LaunchTemplate": launch, "InstancesDistribution": distribution}


def _limits(least: int, most: int, desired: int) -> None:
    if least > most:
        raise invalid("Max bound must be greater than or equal to min bound")
    if desired > most:
        raise invalid("Desired capacity must be less than or equal to max size")
    if desired < least:
        raise invalid("Desired capacity must be greater than or equal to min size")


def create(call: Call) -> Answer:
    """CreateAutoScalingGroup."""
    name, service = call.need("AutoScalingGroupName"), call.service
    if name in service.groups:
        raise Refused(
            "AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name}"
        )
    source = _source(call)
    if source is None:
        raise invalid(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or "
            "MixedInstancesPolicy parameter."
        )
    least, most = int(call.need("MinSize")), int(call.need("MaxSize"))
    desired = call.number("DesiredCapacity")
    desired = least if desired is None else desired
    _limits(least, most, desired)
    vpc_zones = call.text("VPCZoneIdentifier") or ""
    arn = f"arn:aws:autoscaling:{service.region}:{service.account}:autoScalingGroup:{uuid.uuid4()}"
    group = Group(
        name=name,
        arn=f"{arn}:autoScalingGroupName/{name}",
        source=source,
        least=least,
        most=most,
        desired=desired,
        subnets=service.life.launcher.subnets(vpc_zones, call.texts("AvailabilityZones")),
        vpc_zones=vpc_zones,
        created=service.life.now(),
        cause=f"a user request created an AutoScalingGroup changing the desired capacity from 0 to {desired}",
    )
    _settings(call, group)
    group.target_groups = _pools(call, "TargetGroupARNs", classic=False)
    group.classics = _pools(call, "LoadBalancerNames", classic=True)
    for tag in call.params.get("Tags") or ():
        _tag(group, tag)
    for given in call.params.get("LifecycleHookSpecificationList") or ():
        hook = read_hook(given, None)
        group.hooks[hook.name] = hook
    service.groups[name] = group
    service.wake()
    return None


def _settings(call: Call, group: Group) -> None:
    """The settings that create and update share; what a call leaves out stays."""
    group.cooldown = call.params.get("DefaultCooldown", group.cooldown)
    group.health_type = call.text("HealthCheckType") or group.health_type
    group.grace = call.params.get("HealthCheckGracePeriod", group.grace)
    group.protect_new = call.flag("NewInstancesProtectedFromScaleIn", group.protect_new)
    group.policies = call.texts("TerminationPolicies") or group.policies
    group.further.update({key: call.params[key] for key in _FURTHER if call.params.get(key) is not None})


def _pools(call: Call, parameter: str, *, classic: bool) -> list[str]:
    names = call.texts(parameter)
    for name in names:
        call.service.life.pools.require(Pool(name, classic))
    return names


def update(call: Call) -> Answer:
    """UpdateAutoScalingGroup: the desired capacity follows limits that no longer hold it, as on AWS."""
    group, source = call.group, _source(call)
    least, most = (call.params.get(k, had) for k, had in (("MinSize", group.least), ("MaxSize", group.most)))
    given = call.number("DesiredCapacity")
    desired = given if given is not None else max(least, min(most, group.desired))
    _limits(least, most, desired)
    if call.text("VPCZoneIdentifier") or call.texts("AvailabilityZones"):
        vpc_zones = call.text("VPCZoneIdentifier") or ""
        group.subnets = call.service.life.launcher.subnets(vpc_zones, call.texts("AvailabilityZones"))
        group.vpc_zones = vpc_zones
    if source is not None:
        group.source = source
    if desired != group.desired:
        group.cause = f"a user request update of AutoScalingGroup constraints changed the capacity to {desired}"
    group.least, group.most, group.desired = least, most, desired
    _settings(call, group)
    call.service.wake()
    return None


def describe(call: Call) -> Answer:
    """DescribeAutoScalingGroups, by names and tag filters, in pages."""
    names, filters = call.texts("AutoScalingGroupNames"), call.params.get("Filters") or ()
    groups = [one for name, one in sorted(call.service.groups.items()) if not names or name in names]
    groups = [one for one in groups if all(_matches(one, given) for given in filters)]
    after = call.text("NextToken")
    groups = [one for one in groups if after is None or one.name > after]
    size = min(call.number("MaxRecords") or _PAGE, _MOST_IN_PAGE)
    more = groups[size - 1].name if len(groups) > size else None
    return {"AutoScalingGroups": [group_wire(one) for one in groups[:size]], "NextToken": more}


def _matches(group: Group, given: Mapping[str, Any]) -> bool:
    name, values = str(given.get("Name")), set(given.get("Values") or ())
    match name:
        case "tag-key":
            return bool(values & set(group.tags))
        case "tag-value":
            return bool(values & {value for value, _ in group.tags.values()})
        case _ if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            return key in group.tags and group.tags[key][0] in values
        case _:
            raise invalid(f"Filter type {name} is not correct. Allowed: tag-key, tag-value and tag:KEY.")


def delete(call: Call) -> Answer:
    """DeleteAutoScalingGroup: refused while it has members, unless forced."""
    group = call.group
    if group.members and not call.flag("ForceDelete"):
        raise Refused(
            "ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances in the group."
        )
    group.least = group.most = group.desired = 0
    group.deleting = True
    group.hooks.clear()
    for member in list(group.members.values()):
        if member.lifecycle in COUNTED or member.lifecycle is Lifecycle.STANDBY:
            call.service.life.retire(group, member, "a user request deleted the group")
    call.service.wake()
    return None


def set_desired(call: Call) -> Answer:
    """SetDesiredCapacity: within the limits or not at all."""
    group, wanted = call.group, int(call.need("DesiredCapacity"))
    if wanted > group.most:
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is above max value {group.most} for the AutoScalingGroup."
        )
    if wanted < group.least:
        raise invalid(
            f"New SetDesiredCapacity value {wanted} is below min value {group.least} for the AutoScalingGroup."
        )
    if any(one.activity is not None for one in group.members.values()) and call.flag("HonorCooldown"):
        raise Refused("ScalingActivityInProgress", f"Scaling activity is in progress for group {group.name}.")
    group.cause = (
        f"a user request explicitly set group desired capacity changing it from {group.desired} to {wanted}"
    )
    group.desired = wanted
    call.service.wake()
    return None


# -- tags ----------------------------------------------------------------------------------------------


def _tag(group: Group, given: Mapping[str, Any]) -> None:
    at_launch = str(given.get("PropagateAtLaunch", False)).lower() == "true"
    group.tags[str(given["Key"])] = (str(given.get("Value") or ""), at_launch)


def put_tags(call: Call) -> Answer:
    """CreateOrUpdateTags. Existing members do not get them [ASG]."""
    for given in call.params.get("Tags") or ():
        _tag(call.service.group(given.get("ResourceId")), given)
    return None


def delete_tags(call: Call) -> Answer:
    """DeleteTags: absent ones are no error."""
    for given in call.params.get("Tags") or ():
        call.service.group(given.get("ResourceId")).tags.pop(str(given["Key"]), None)
    return None


def describe_tags(call: Call) -> Answer:
    """DescribeTags, by the filters auto-scaling-group, key, value and propagate-at-launch."""
    rows = [row for group in call.service.groups.values() for row in tags_wire(group)]
    columns = {
        "auto-scaling-group": "ResourceId",
        "key": "Key",
        "value": "Value",
        "propagate-at-launch": "PropagateAtLaunch",
    }
    for given in call.params.get("Filters") or ():
        column, values = columns[str(given["Name"])], {str(value).lower() for value in given.get("Values") or ()}
        rows = [row for row in rows if str(row[column]).lower() in values]
    return {"Tags": rows}


# -- balancers -----------------------------------------------------------------------------------------


def _attach(call: Call, parameter: str, *, classic: bool) -> Answer:
    group = call.group
    names = _pools(call, parameter, classic=classic)
    own = group.classics if classic else group.target_groups
    for name in [name for name in names if name not in own]:
        own.append(name)
        for member in group.in_service():
            call.service.life.pools.register(Pool(name, classic), member.id)
    return {}


def _detach(call: Call, parameter: str, *, classic: bool) -> Answer:
    group = call.group
    own = group.classics if classic else group.target_groups
    for name in [name for name in call.texts(parameter) if name in own]:
        own.remove(name)
        for member in group.in_service():
            call.service.life.pools.deregister(Pool(name, classic), member.id)
    return {}


def describe_target_groups(call: Call) -> Answer:
    """DescribeLoadBalancerTargetGroups."""
    shown = [{"LoadBalancerTargetGroupARN": arn, "State": "InService"} for arn in call.group.target_groups]
    return {"LoadBalancerTargetGroups": shown}


def describe_classics(call: Call) -> Answer:
    """DescribeLoadBalancers."""
    return {"LoadBalancers": [{"LoadBalancerName": name, "State": "InService"} for name in call.group.classics]}


ACTIONS: Mapping[str, Action] = {
    "CreateAutoScalingGroup": create,
    "UpdateAutoScalingGroup": update,
    "DescribeAutoScalingGroups": describe,
    "DeleteAutoScalingGroup": delete,
    "SetDesiredCapacity": set_desired,
    "CreateOrUpdateTags": put_tags,
    "DeleteTags": delete_tags,
    "DescribeTags": describe_tags,
    "AttachLoadBalancerTargetGroups": lambda call: _attach(call, "TargetGroupARNs", classic=False),
    "DetachLoadBalancerTargetGroups": lambda call: _detach(call, "TargetGroupARNs", classic=False),
    "DescribeLoadBalancerTargetGroups": describe_target_groups,
    "AttachLoadBalancers": lambda call: _attach(call, "LoadBalancerNames", classic=True),
    "DetachLoadBalancers": lambda call: _detach(call, "LoadBalancerNames", classic=True),
    "DescribeLoadBalancers": describe_classics,
}
