"""Which rights the calls of Elastic Load Balancing and of Auto Scaling need (Service Authorization Reference)."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.lab.iam import ec2_rights
from deployer.lab.iam.call import Call, Keys, of_request, of_resource, tags_of
from deployer.lab.iam.policy import Asked

_ARNS = ("TargetGroupArn", "ListenerArn", "RuleArn", "LoadBalancerArn", "ResourceArns")


def of_balancers(call: Call) -> Iterator[Asked]:
    """Of both generations: looks are on `*`, changes on what they name."""
    if call.operation.startswith("Describe"):
        yield call.asks()
        return
    named = [arn for name in _ARNS for arn in call.texts(name)]
    named += [str(one["RuleArn"]) for one in call.parameters.get("RulePriorities") or ()]
    # A classic load balancer is known by its name.
    named += [call.arn(f"loadbalancer/{name}") for name in call.texts("LoadBalancerName")]
    for arn in named or ["*"]:
        tags = {} if arn == "*" else call.world.tags(arn)
        given = tags_of(call.parameters.get("Tags"))
        yield call.asks(arn, {**of_resource(tags, "elasticloadbalancing"), **of_request(given)})


def of_groups(call: Call) -> Iterator[Asked]:
    """Looks are on `*`; changes on the group or the launch configuration; a new template needs RunInstances too."""
    if call.operation.startswith("Describe"):
        yield call.asks()
        return
    yield from (call.asks(arn, keys) for arn, keys in _changed(call))
    yield from _launches(call)


def _changed(call: Call) -> Iterator[tuple[str, Keys]]:
    name = str(call.parameters.get("AutoScalingGroupName") or "")
    configuration = str(call.parameters.get("LaunchConfigurationName") or "")
    if not name and call.operation in {"TerminateInstanceInAutoScalingGroup", "SetInstanceHealth"}:
        tags = call.world.tags(str(call.parameters.get("InstanceId") or ""))
        name = tags.get("aws:autoscaling:groupName", "")
    if name:
        arn = call.world.group_arn(name) or call.arn(f"autoScalingGroup:*:autoScalingGroupName/{name}")
        yield arn, of_resource(call.world.tags(arn), "autoscaling")
    elif configuration:
        yield call.arn(f"launchConfiguration:*:launchConfigurationName/{configuration}"), {}
    else:
        yield "*", {}


def _launches(call: Call) -> Iterator[Asked]:
    """AWS holds RunInstances and PassRole against who gives a group a launch template (Auto Scaling user guide,
    "Launch template support")."""
    template = call.parameters.get("LaunchTemplate")
    mixed = call.parameters.get("MixedInstancesPolicy") or {}
    template = template or (mixed.get("LaunchTemplate") or {}).get("LaunchTemplateSpecification")
    if call.operation in {"CreateAutoScalingGroup", "UpdateAutoScalingGroup"} and template:
        name, given = str(call.parameters.get("AutoScalingGroupName")), call.parameters.get("VPCZoneIdentifier")
        subnets = str(given).split(",") if given else call.world.subnets_of(name)
        networks = [{"SubnetId": one.strip()} for one in subnets]
        yield from ec2_rights.launch(call, {"LaunchTemplate": template, "NetworkInterfaces": networks})
    profile = str(call.parameters.get("IamInstanceProfile") or "")
    role = call.world.role_of(profile) if profile else None
    if role is not None:
        yield call.asks(role, {"iam:passedtoservice": ("ec2.amazonaws.com",)}, action="iam:PassRole")
