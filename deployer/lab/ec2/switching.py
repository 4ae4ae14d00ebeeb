"""StartInstances, StopInstances, RebootInstances and TerminateInstances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployer.lab.context import Power
from deployer.lab.ec2.calls import Action, Answer, Call
from deployer.lab.ec2.capacity import insufficient
from deployer.lab.ec2.errors import ApiError, incorrect_state
from deployer.lab.ec2.instances import state_wire
from deployer.lab.ec2.records import Instance


def _changes(call: Call, before: Mapping[str, Power]) -> Sequence[Mapping[str, Any]]:
    with call.store.lock:
        now = {instance_id: call.store.instances[instance_id].power for instance_id in before}
    return [
        {"InstanceId": i, "PreviousState": state_wire(before[i]), "CurrentState": state_wire(now[i])}
        for i in before
    ]


def _named(call: Call) -> Sequence[Instance]:
    return call.store.instances_by_id(call.need_texts("InstanceIds"))


def start_instances(call: Call) -> Answer:
    """StartInstances: the same disk and address; all of them, or none when one cannot be started."""
    with call.store.lock:
        instances = _named(call)
        for instance in instances:
            if instance.power not in (Power.PENDING, Power.RUNNING, Power.STOPPED):
                raise incorrect_state(
                    f"The instance '{instance.id}' is not in a state from which it can be started: it is "
                    f"{instance.power.value}."
                )
        _require_capacity(call, [i for i in instances if i.power is Power.STOPPED])
        before = {instance.id: call.power.start(instance.id) for instance in instances}
    return {"StartingInstances": _changes(call, before)}


def _require_capacity(call: Call, stopped: Sequence[Instance]) -> None:
    for zone, kind in {(i.zone, i.type) for i in stopped}:
        wanted = sum((i.zone, i.type) == (zone, kind) for i in stopped)
        if call.ec2.capacity.room(call.store.instances.values(), zone, kind, wanted) < wanted:
            raise insufficient(zone, kind)


def stop_instances(call: Call) -> Answer:
    """StopInstances: all of them, or none when one is protected or cannot be stopped."""
    with call.store.lock:
        instances = _named(call)
        for instance in instances:
            if instance.stop_protected:
                raise ApiError(
                    "OperationNotPermitted",
                    f"The instance '{instance.id}' may not be stopped. Modify its 'disableApiStop' instance "
                    "attribute and try again.",
                )
            if instance.power not in (Power.RUNNING, Power.STOPPING, Power.STOPPED):
                raise incorrect_state(
                    f"The instance '{instance.id}' is not in a state from which it can be stopped: it is "
                    f"{instance.power.value}."
                )
        before = {instance.id: call.power.stop(instance.id) for instance in instances}
    return {"StoppingInstances": _changes(call, before)}


def reboot_instances(call: Call) -> Answer:
    """RebootInstances: all of them, or none when one does not run."""
    with call.store.lock:
        instances = _named(call)
        for instance in instances:
            if instance.power is not Power.RUNNING:
                raise incorrect_state(
                    f"The instance '{instance.id}' is not in a state from which it can be rebooted: it is "
                    f"{instance.power.value}."
                )
        for instance in instances:
            call.power.reboot(instance.id)
    return None


def terminate_instances(call: Call) -> Answer:
    """TerminateInstances.

    One unknown id: none is terminated. One protected instance: its whole zone stays, the other zones
    go, and the call fails (EC2 API reference, TerminateInstances).
    """
    with call.store.lock:
        instances = _named(call)
        protected = [i for i in instances if i.protected and i.power is not Power.TERMINATED]
        kept_zones = {i.zone for i in protected}
        before = {i.id: call.power.terminate(i.id) for i in instances if i.zone not in kept_zones}
    if protected:
        raise ApiError(
            "OperationNotPermitted",
            f"The instance '{protected[0].id}' may not be terminated. Modify its 'disableApiTermination' "
            "instance attribute and try again.",
        )
    return {"TerminatingInstances": _changes(call, before)}


ACTIONS: Mapping[str, Action] = {
    "StartInstances": start_instances,
    "StopInstances": stop_instances,
    "RebootInstances": reboot_instances,
    "TerminateInstances": terminate_instances,
}
