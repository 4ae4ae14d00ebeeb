"""BlockTraffic and AllowTraffic: an instance out of its balancers and drained, or in them and healthy."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.elb.exceptions import ELBClientError as ClassicError
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

PATIENCE = 300.0
"""Seconds for either; CodeDeploy's own hour, in the lab's time."""
_LOOK = 0.2


class TrafficError(Exception):
    """Why an instance could not be taken from, or given to, a balancer."""


class Traffic:
    """The balancers of one deployment group, by the names in its `loadBalancerInfo`."""

    def __init__(
        self,
        account: str,
        region: str,
        info: Mapping[str, Any] | None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = info or {}
        self._elbv2: Any = elbv2_backends[account][region]
        self._elb: Any = elb_backends[account][region]
        self._groups: Sequence[str] = [str(one["name"]) for one in given.get("targetGroupInfoList") or ()]
        self._classics: Sequence[str] = [str(one["name"]) for one in given.get("elbInfoList") or ()]
        self._sleep = sleep
        self._clock = clock

    def missing(self) -> str | None:
        """The name of a balancer that is not there."""
        groups = {group.name for group in list(self._elbv2.target_groups.values())}
        unknown = [name for name in self._groups if name not in groups]
        unknown += [name for name in self._classics if name not in self._elb.load_balancers]
        return unknown[0] if unknown else None

    def block(self, instance: str, stopping: Callable[[], bool]) -> None:
        """Deregisters everywhere and returns when nothing drains any more. Raises TrafficError."""
        for arn in self._arns():
            registered = [t["Target"] for t in self._described(arn, instance)]
            if registered:
                self._elbv2.deregister_targets(arn, registered)
        for name in self._classics:
            self._elb.deregister_instances(name, [instance])
        self._wait(lambda: not self._in_anything(instance), f"{instance} to be drained", stopping)

    def allow(self, instance: str, stopping: Callable[[], bool]) -> None:
        """Registers everywhere and returns when it is healthy everywhere. Raises TrafficError."""
        try:
            for arn in self._arns():
                self._elbv2.register_targets(arn, [{"Id": instance}])
            for name in self._classics:
                self._elb.register_instances(name, [instance])
        except Exception as problem:
            raise TrafficError(str(problem)) from problem
        self._wait(lambda: self._healthy(instance), f"{instance} to be healthy", stopping)

    def _arns(self) -> list[str]:
        return [arn for arn, group in list(self._elbv2.target_groups.items()) if group.name in self._groups]

    def _described(self, arn: str, instance: str) -> list[Mapping[str, Any]]:
        return [t for t in self._elbv2.describe_target_health(arn, []) if t["Target"]["Id"] == instance]

    def _in_anything(self, instance: str) -> bool:
        return any(self._described(arn, instance) for arn in self._arns()) or any(
            self._classic(name, instance) for name in self._classics
        )

    def _healthy(self, instance: str) -> bool:
        for arn in self._arns():
            states = [t["TargetHealth"]["State"] for t in self._described(arn, instance)]
            if not states or set(states) != {"healthy"}:
                return False
        return all(
            (state := self._classic(name, instance)) and state["State"] == "InService" for name in self._classics
        )

    def _classic(self, name: str, instance: str) -> Mapping[str, Any] | None:
        try:
            states: Sequence[Mapping[str, Any]] = self._elb.describe_instance_health(
                name, [{"InstanceId": instance}]
            )
        except ClassicError:
            return None
        return states[0] if states else None

    def _wait(self, true: Callable[[], bool], what: str, stopping: Callable[[], bool]) -> None:
        end = self._clock() + PATIENCE
        while not true():
            if stopping():
                raise TrafficError(f"stopped while waiting for {what}")
            if self._clock() > end:
                raise TrafficError(f"waited {PATIENCE:g} s in vain for {what}")
            self._sleep(_LOOK)
