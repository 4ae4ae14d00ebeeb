"""Lifecycle hooks: put, describe, delete; complete and prolong what they hold up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.lab.autoscaling.calls import Action, Answer, Call
from deployer.lab.autoscaling.errors import invalid
from deployer.lab.autoscaling.records import Hold, Hook, Transition
from deployer.lab.autoscaling.shown import hook_wire

_SHORTEST, _LONGEST, _MOST = 30, 7200, 50
_RESULTS = ("CONTINUE", "ABANDON")


def read_hook(given: Mapping[str, Any], had: Hook | None) -> Hook:
    """A hook as it was given, over the one of the same name. Raises ValidationError."""
    transition = given.get("LifecycleTransition") or (had.transition.value if had else None)
    if transition not in {one.value for one in Transition}:
        raise invalid("LifecycleTransition is required for new lifecycle hooks.")
    timeout = int(given.get("HeartbeatTimeout") or (had.timeout if had else 3600))
    if not _SHORTEST <= timeout <= _LONGEST:
        raise invalid(f"HeartbeatTimeout must be between {_SHORTEST} and {_LONGEST} seconds.")
    default = str(given.get("DefaultResult") or (had.default if had else "ABANDON"))
    if default not in _RESULTS:
        raise invalid("DefaultResult must be CONTINUE or ABANDON.")
    return Hook(
        name=str(given["LifecycleHookName"]),
        transition=Transition(transition),
        timeout=timeout,
        default=default,
        metadata=given.get("NotificationMetadata"),
        target=given.get("NotificationTargetARN"),
        role=given.get("RoleARN"),
    )


def put(call: Call) -> Answer:
    """PutLifecycleHook: creates a hook, or changes the one of this name."""
    group, name = call.group, call.need("LifecycleHookName")
    if name not in group.hooks and len(group.hooks) >= _MOST:
        raise invalid(f"A group can have at most {_MOST} lifecycle hooks.")
    group.hooks[name] = read_hook(call.params, group.hooks.get(name))
    return {}


def describe(call: Call) -> Answer:
    """DescribeLifecycleHooks."""
    group, names = call.group, call.texts("LifecycleHookNames")
    return {
        "LifecycleHooks": [
            hook_wire(group, hook) for hook in group.hooks.values() if not names or hook.name in names
        ]
    }


def delete(call: Call) -> Answer:
    """DeleteLifecycleHook: what it holds up goes on as if abandoned for launches, continued for terminations."""
    group, name = call.group, call.need("LifecycleHookName")
    if group.hooks.pop(name, None) is None:
        raise invalid(f"No Lifecycle Hook found with name {name} in Auto Scaling group {group.name}.")
    for member in group.members.values():
        for hold in member.holds:
            if hold.hook.name == name:
                hold.result = hold.result or (
                    "ABANDON" if hold.hook.transition is Transition.LAUNCHING else "CONTINUE"
                )
    call.service.wake()
    return {}


def _hold(call: Call) -> Hold:
    """The hold that a call is about, by instance or by token. Raises ValidationError."""
    group, name = call.group, call.need("LifecycleHookName")
    instance, token = call.text("InstanceId"), call.text("LifecycleActionToken")
    for member in group.members.values():
        for hold in member.holds:
            if hold.hook.name == name and hold.result is None and (member.id == instance or hold.token == token):
                return hold
    raise invalid(f"No active Lifecycle Action found with instance ID {instance or token}")


def complete(call: Call) -> Answer:
    """CompleteLifecycleAction."""
    result = call.need("LifecycleActionResult")
    if result not in _RESULTS:
        raise invalid("LifecycleActionResult must be CONTINUE or ABANDON.")
    _hold(call).result = result
    call.service.wake()
    return {}


def heartbeat(call: Call) -> Answer:
    """RecordLifecycleActionHeartbeat: the time begins anew."""
    hold = _hold(call)
    hold.deadline = call.service.clock() + hold.hook.timeout
    return {}


ACTIONS: Mapping[str, Action] = {
    "PutLifecycleHook": put,
    "DescribeLifecycleHooks": describe,
    "DeleteLifecycleHook": delete,
    "CompleteLifecycleAction": complete,
    "RecordLifecycleActionHeartbeat": heartbeat,
    "DescribeLifecycleHookTypes": lambda _call: {"LifecycleHookTypes": [one.value for one in Transition]},
}
