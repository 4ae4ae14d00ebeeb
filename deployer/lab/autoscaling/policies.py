"""Scaling policies: what changes a group's desired capacity when an alarm asks for it.

Simple policies wait for activities in progress and for their cooldown; step and target-tracking policies count
the members that still warm up out of the capacity they start from, and do not scale in meanwhile. A target is
tracked in a reduced form: by the metric's latest value in proportion to the target, both ways alike.
Cooldowns and warm-ups last as long as the lab's alarms live fast: `alarm_scale` times what they say.
[ASG user guide: simple and step scaling, target tracking, cooldowns]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployer.lab.autoscaling.records import Group, Process

SIMPLE, STEP, TARGET = "SimpleScaling", "StepScaling", "TargetTrackingScaling"


@dataclass(frozen=True)
class Signal:
    """What asks for a policy: an alarm by name and state, or with no name a user. The value is the metric's."""

    alarm: str = ""
    state: str = ""
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Moment:
    """The time in monotonic seconds, and how fast cooldowns and warm-ups pass."""

    now: float
    scale: float = 1.0


@dataclass(frozen=True)
class ScalingPolicy:
    """A policy as PutScalingPolicy gave it."""

    name: str
    arn: str
    group: str
    settings: Mapping[str, Any]
    alarms: tuple[str, ...] = ()
    """The names of the alarms that a target-tracking policy has made for itself."""

    @property
    def kind(self) -> str:
        """Its PolicyType."""
        return str(self.settings["PolicyType"])

    def hears(self, group: Group) -> bool:
        """Whether an alarm has any effect now."""
        return group.runs(Process.ALARM_NOTIFICATION) and bool(self.settings.get("Enabled", True))

    def waits(self, group: Group, moment: Moment) -> bool:
        """Whether the cooldown, or an activity in progress, holds a simple policy up."""
        return self.kind == SIMPLE and (group.cooldown_due is not None or moment.now < group.cooling_until)

    def carry_out(self, group: Group, signal: Signal, moment: Moment) -> None:
        """Changes the desired capacity within the limits."""
        before = group.desired
        group.desired = max(group.least, min(group.most, self._wanted(group, signal, moment)))
        if group.desired == before:
            return
        if self.kind == SIMPLE:
            group.cooldown_due = self._seconds("Cooldown", group) * moment.scale
        why = (
            f"a monitor alarm {signal.alarm} in state {signal.state} triggered policy {self.name}"
            if signal.alarm
            else f"a user request executed policy {self.name}"
        )
        group.cause = f"{why} changing the desired capacity from {before} to {group.desired}"

    def _wanted(self, group: Group, signal: Signal, moment: Moment) -> int:
        if self.kind == SIMPLE:
            return self._adjusted(group.desired, int(self.settings.get("ScalingAdjustment") or 0))
        ready = self._ready(group, moment)
        wanted = self._goal(ready, signal)
        if wanted is None:
            return group.desired
        if wanted < ready:
            return group.desired if ready < group.desired else wanted
        return max(group.desired, wanted)

    def _goal(self, base: int, signal: Signal) -> int | None:
        """The capacity that a step or a target asks for, from so many; None when it asks for nothing."""
        if self.kind == TARGET:
            return self._tracked(base, signal)
        step = self._step(signal)
        return None if step is None else self._adjusted(base, step)

    def _tracked(self, base: int, signal: Signal) -> int | None:
        settings = self.settings["TargetTrackingConfiguration"]
        if signal.value is None:
            return None
        wanted = math.ceil(base * signal.value / float(settings["TargetValue"]))
        return None if wanted < base and settings.get("DisableScaleIn") else wanted

    def _step(self, signal: Signal) -> int | None:
        """The adjustment of the step that the breach falls into: bounds are distances from the threshold."""
        if signal.value is None or signal.threshold is None:
            return None
        breach = signal.value - signal.threshold
        for step in self.settings.get("StepAdjustments") or ():
            low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
            least = -math.inf if low is None else float(low)
            most = math.inf if high is None else float(high)
            # The bound that is nearer to the threshold belongs to the step.
            if least <= breach < most if breach >= 0 else least < breach <= most:
                return int(step["ScalingAdjustment"])
        return None

    def _ready(self, group: Group, moment: Moment) -> int:
        """How many members are in service and have warmed up."""
        warmup = self._seconds("EstimatedInstanceWarmup", group) * moment.scale
        since = [one.in_service_at for one in group.in_service()]
        return sum(one is not None and moment.now - one >= warmup for one in since)

    def _seconds(self, setting: str, group: Group) -> float:
        """A cooldown or warm-up; the group's own default where the policy has none."""
        own = self.settings.get(setting)
        return float(group.further.get("DefaultInstanceWarmup", group.cooldown) if own is None else own)

    def _adjusted(self, base: int, step: int) -> int:
        match self.settings.get("AdjustmentType"):
            case "ExactCapacity":
                return step
            case "PercentChangeInCapacity":
                change = base * step / 100
                whole = (
                    math.ceil(change) if 0 < change < 1 else math.floor(change) if -1 < change < 0 else int(change)
                )
                least = int(self.settings.get("MinAdjustmentMagnitude") or 0)
                return base + int(math.copysign(max(abs(whole), least), step))
            case _:
                return base + step


def settle(group: Group, moment: Moment) -> None:
    """Begins the cooldown when the activities of a simple policy are over."""
    if group.cooldown_due is None or any(one.activity is not None for one in group.members.values()):
        return
    if len(group.counted()) == group.desired:
        group.cooling_until, group.cooldown_due = moment.now + group.cooldown_due, None
