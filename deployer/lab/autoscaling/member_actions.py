"""The actions on members: attach, detach, standby, terminate, protect, health; and activities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployer.lab.autoscaling.calls import Action, Answer, Call
from deployer.lab.autoscaling.errors import invalid
from deployer.lab.autoscaling.records import COUNTED, Activity, Group, Lifecycle, Member, Process
from deployer.lab.autoscaling.shown import activity_wire, instance_wire
from deployer.lab.context import Power

MOST_MOVED, MOST_PROTECTED, MOST_TERMINATED = 20, 50, 100
_PAGE = 50


def describe_instances(call: Call) -> Answer:
    """DescribeAutoScalingInstances."""
    ids = set(call.texts("InstanceIds"))
    return {
        "AutoScalingInstances": [
            instance_wire(group, member)
            for group in call.service.groups.values()
            for member in group.members.values()
            if not ids or member.id in ids
        ]
    }


def describe_activities(call: Call) -> Answer:
    """DescribeScalingActivities, the latest first."""
    name, ids = call.text("AutoScalingGroupName"), set(call.texts("ActivityIds"))
    groups = [call.service.group(name)] if name else list(call.service.groups.values())
    rows = [(group, one) for group in groups for one in group.activities if not ids or one.id in ids]
    first = int(call.text("NextToken") or 0)
    size = min(call.number("MaxRecords") or _PAGE, 100)
    more = str(first + size) if len(rows) > first + size else None
    return {"Activities": [activity_wire(*row) for row in rows[first : first + size]], "NextToken": more}


# -- into the group ------------------------------------------------------------------------------------


def attach(call: Call) -> Answer:
    """AttachInstances: the desired capacity grows by as many; beyond the maximum it is refused.

    Lifecycle hooks are not run for attached instances [ASG].
    """
    group, ids = call.group, call.ids(MOST_MOVED)
    if group.desired + len(ids) > group.most:
        raise invalid(
            f"The number of instances being attached ({len(ids)}) plus the desired capacity of the group "
            f"({group.desired}) exceeds the maximum size of the group ({group.most})."
        )
    made = [_checked_newcomer(call, group, one) for one in ids]
    for member in made:
        cause = (
            f"a user request attached instance {member.id}, changing the desired capacity to {group.desired + 1}"
        )
        member.activity = call.service.life.begin(group, f"Attaching an existing EC2 instance: {member.id}", cause)
        group.members[member.id] = member
        group.desired += 1
        call.service.life.launcher.mark(member.id, group.name, group.propagated())
        member.lifecycle = Lifecycle.PENDING_PROCEED
        call.service.life.step(group, member)
    call.service.wake()
    return None


def _checked_newcomer(call: Call, group: Group, instance_id: str) -> Member:
    launcher = call.service.life.launcher
    found = launcher.instance(instance_id)
    if found is None or found.power is not Power.RUNNING:
        state = found.power.value if found is not None else "unknown"
        raise invalid(f"Invalid Instance ID(s): [{instance_id}] for launch: it is {state}, not running.")
    other = next((one for one in call.service.groups.values() if instance_id in one.members), None)
    if other is not None:
        raise invalid(f"Instance {instance_id} is already part of AutoScalingGroup {other.name}")
    if found.zone not in group.subnets:
        raise invalid(f"Instance {instance_id} is in {found.zone}, which is no Availability Zone of the group.")
    return Member(
        id=instance_id,
        zone=found.zone,
        type=found.type,
        image=found.image_id,
        lifecycle=Lifecycle.PENDING,
        joined=call.service.clock(),
        protected=group.protect_new,
    )


# -- out of the group, or aside ------------------------------------------------------------------------


def _leave(call: Call, ids: Sequence[str], lifecycle: Lifecycle, word: str) -> Answer:
    """Detach and standby: the same but for where the members arrive."""
    group = call.group
    members = call.service.members_of(group, list(ids))
    for one in members:
        if one.lifecycle is not Lifecycle.IN_SERVICE and not (
            one.lifecycle is Lifecycle.STANDBY and lifecycle is Lifecycle.DETACHING
        ):
            raise invalid(f"The instance {one.id} is not in InService.")
    decrement = call.flag("ShouldDecrementDesiredCapacity")
    counted = [one for one in members if one.lifecycle in COUNTED]
    _decrement(group, len(counted) if decrement else 0)
    activities = []
    for one in members:
        activity = call.service.life.begin(group, f"{word}: {one.id}", f"a user request moved instance {one.id}")
        call.service.life.leave(group, one, lifecycle, activity)
        activities.append(activity)
    call.service.wake()
    return _activities(group, activities)


def _decrement(group: Group, count: int) -> None:
    if count and group.desired - count < group.least:
        raise invalid(
            f"Currently, desiredSize equals {group.desired} and minSize equals {group.least}. Removing {count} "
            "without replacement will violate group's min size constraint. Either set "
            "shouldDecrementDesiredCapacity flag to false or lower group's min size."
        )
    group.desired -= count


def _activities(group: Group, activities: Sequence[Activity]) -> Answer:
    return {"Activities": [activity_wire(group, one) for one in activities]}


def detach(call: Call) -> Answer:
    """DetachInstances: deregistered and drained, then no longer the group's; the instances run on."""
    return _leave(call, call.ids(MOST_MOVED), Lifecycle.DETACHING, "Detaching EC2 instance")


def enter_standby(call: Call) -> Answer:
    """EnterStandby: deregistered and drained; without decrement the group launches others instead."""
    return _leave(call, call.ids(MOST_MOVED), Lifecycle.ENTERING_STANDBY, "Moving EC2 instance to Standby")


def exit_standby(call: Call) -> Answer:
    """ExitStandby: registered again; the desired capacity grows. Refused while Launch is suspended [ASG]."""
    group, ids = call.group, call.ids(MOST_MOVED)
    members = call.service.members_of(group, ids)
    if not group.runs(Process.LAUNCH):
        raise invalid("You cannot move instances out of Standby while the Launch process is suspended.")
    for one in members:
        if one.lifecycle is not Lifecycle.STANDBY:
            raise invalid(f"The instance {one.id} is not in Standby.")
    if group.desired + len(members) > group.most:
        raise invalid(f"Moving {len(members)} out of Standby would exceed the group's max size of {group.most}.")
    activities = []
    for one in members:
        text = f"Moving EC2 instance out of Standby: {one.id}"
        one.activity = call.service.life.begin(
            group, text, f"a user request moved instance {one.id} out of standby"
        )
        activities.append(one.activity)
        one.lifecycle = Lifecycle.PENDING_PROCEED
        one.healthy = True
        group.desired += 1
    call.service.wake()
    return _activities(group, activities)


def terminate(call: Call) -> Answer:
    """TerminateInstanceInAutoScalingGroup, with or without a replacement."""
    one = call.text("InstanceId")
    ids = [one] if one is not None else call.ids(MOST_TERMINATED)
    found = [call.service.member(ident) for ident in ids]
    if not found:
        raise invalid("InstanceId or InstanceIds is required.")
    group = found[0][0]
    counted = sum(1 for _, member in found if member.lifecycle in COUNTED)
    _decrement(group, counted if call.flag("ShouldDecrementDesiredCapacity") else 0)
    cause = f"instances were taken out of service in response to a user request, desired capacity {group.desired}"
    activities = [call.service.life.retire(of, member, cause) for of, member in found]
    call.service.wake()
    if one is not None:
        return {"Activity": activity_wire(group, activities[0])}
    return _activities(group, activities)


# -- flags ---------------------------------------------------------------------------------------------


def protect(call: Call) -> Answer:
    """SetInstanceProtection: against scale-in only."""
    for member in call.service.members_of(call.group, call.ids(MOST_PROTECTED)):
        if member.lifecycle is not Lifecycle.IN_SERVICE:
            raise invalid(f"The instance {member.id} is not in InService.")
        member.protected = call.flag("ProtectedFromScaleIn")
    return {}


def set_health(call: Call) -> Answer:
    """SetInstanceHealth: within the grace period Unhealthy is passed over, unless told otherwise."""
    group, member = call.service.member(call.need("InstanceId"))
    status = call.need("HealthStatus")
    if status not in ("Healthy", "Unhealthy"):
        raise invalid("HealthStatus must be Healthy or Unhealthy.")
    if status == "Unhealthy" and call.flag("ShouldRespectGracePeriod", True) and _in_grace(call, group, member):
        return None
    member.healthy = status == "Healthy"
    call.service.wake()
    return None


def _in_grace(call: Call, group: Group, member: Member) -> bool:
    began = member.in_service_at
    return began is not None and call.service.clock() - began < group.grace


ACTIONS: Mapping[str, Action] = {
    "DescribeAutoScalingInstances": describe_instances,
    "DescribeScalingActivities": describe_activities,
    "AttachInstances": attach,
    "DetachInstances": detach,
    "EnterStandby": enter_standby,
    "ExitStandby": exit_standby,
    "TerminateInstanceInAutoScalingGroup": terminate,
    "SetInstanceProtection": protect,
    "SetInstanceHealth": set_health,
}
