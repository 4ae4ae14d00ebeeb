"""Records as answers show them, by botocore's member names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.lab.autoscaling.records import Activity, Group, Hook, Member
from deployer.lab.autoscaling.refresh import Refresh


def group_wire(group: Group) -> dict[str, Any]:
    """A group as DescribeAutoScalingGroups shows it."""
    source = group.source
    return {
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "LaunchConfigurationName": source.configuration,
        "LaunchTemplate": source.template,
        "MixedInstancesPolicy": source.mixed,
        "MinSize": group.least,
        "MaxSize": group.most,
        "DesiredCapacity": group.desired,
        "DefaultCooldown": group.cooldown,
        "AvailabilityZones": list(group.subnets),
        "LoadBalancerNames": list(group.classics),
        "TargetGroupARNs": list(group.target_groups),
        "HealthCheckType": group.health_type,
        "HealthCheckGracePeriod": group.grace,
        "Instances": [member_wire(one) for one in group.members.values()],
        "CreatedTime": group.created,
        "SuspendedProcesses": [
            {"ProcessName": process.value, "SuspensionReason": reason}
            for process, reason in group.suspended.items()
        ],
        "VPCZoneIdentifier": group.vpc_zones,
        "EnabledMetrics": [{"Metric": name, "Granularity": "1Minute"} for name in sorted(group.metrics)],
        "Status": "Delete in progress" if group.deleting else None,
        "Tags": tags_wire(group),
        "TerminationPolicies": list(group.policies),
        "NewInstancesProtectedFromScaleIn": group.protect_new,
        "TrafficSources": [
            *({"Identifier": arn, "Type": "elbv2"} for arn in group.target_groups),
            *({"Identifier": name, "Type": "elb"} for name in group.classics),
        ],
        **group.further,
    }


def tags_wire(group: Group) -> list[dict[str, Any]]:
    """A group's tags."""
    return [
        {
            "ResourceId": group.name,
            "ResourceType": "auto-scaling-group",
            "Key": key,
            "Value": value,
            "PropagateAtLaunch": at_launch,
        }
        for key, (value, at_launch) in group.tags.items()
    ]


def member_wire(member: Member) -> dict[str, Any]:
    """A member as it is listed in its group."""
    return {
        "InstanceId": member.id,
        "InstanceType": member.type,
        "AvailabilityZone": member.zone,
        "LifecycleState": member.lifecycle.value,
        "HealthStatus": "Healthy" if member.healthy else "Unhealthy",
        "LaunchConfigurationName": member.configuration,
        "LaunchTemplate": member.template,
        "ProtectedFromScaleIn": member.protected,
    }


def instance_wire(group: Group, member: Member) -> dict[str, Any]:
    """A member as DescribeAutoScalingInstances shows it, which spells the health in capitals."""
    health = "HEALTHY" if member.healthy else "UNHEALTHY"
    return {**member_wire(member), "AutoScalingGroupName": group.name, "HealthStatus": health}


def activity_wire(group: Group, activity: Activity) -> dict[str, Any]:
    """A scaling activity."""
    return {
        "ActivityId": activity.id,
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": activity.description,
        "Cause": f"At {activity.started:%Y-%m-%dT%H:%M:%SZ} {activity.cause}.",
        "StartTime": activity.started,
        "EndTime": activity.ended,
        "StatusCode": activity.status,
        "StatusMessage": activity.message or None,
        "Progress": 100 if activity.ended is not None else 50,
        "Details": activity.details or "{}",
    }


def hook_wire(group: Group, hook: Hook) -> dict[str, Any]:
    """A lifecycle hook."""
    return {
        "LifecycleHookName": hook.name,
        "AutoScalingGroupName": group.name,
        "LifecycleTransition": hook.transition.value,
        "NotificationTargetARN": hook.target,
        "RoleARN": hook.role,
        "NotificationMetadata": hook.metadata,
        "HeartbeatTimeout": hook.timeout,
        "GlobalTimeout": min(hook.timeout * 100, 172_800),
        "DefaultResult": hook.default,
    }


def refresh_wire(refresh: Refresh) -> Mapping[str, Any]:
    """An instance refresh."""
    return {
        "InstanceRefreshId": refresh.id,
        "AutoScalingGroupName": refresh.group,
        "Status": refresh.status.value,
        "StatusReason": refresh.reason,
        "StartTime": refresh.started,
        "EndTime": refresh.ended,
        "PercentageComplete": refresh.percent,
        "InstancesToUpdate": len(refresh.todo),
        "Preferences": refresh.preferences or None,
        "DesiredConfiguration": refresh.wanted,
        "Strategy": "Rolling",
    }
