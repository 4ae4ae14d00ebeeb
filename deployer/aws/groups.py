"""The door to one Auto Scaling group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from deployer.aws.batches import bisect
from deployer.aws.errors import attempt, translated
from deployer.aws.group_sources import GroupSource, own_templates, own_types, source_of
from deployer.aws.session import AwsSession
from deployer.model.errors import AwsError
from deployer.model.fleet import Instance, InstanceState
from deployer.model.outcome import Done, Outcome, Permanent, Temporary

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

MOST_MOVED = 20
"""The most ids that AttachInstances and DetachInstances take in a call."""

MOST_PROTECTED = 50
"""The most ids that SetInstanceProtection takes in a call."""

_BUSY = frozenset({"ResourceContention", "ResourceContentionFault", "ScalingActivityInProgress"})
_REFUSED = frozenset({"ValidationError"})

LEAVING = frozenset(
    {"Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminated", "Detaching", "Detached"}
)
"""The lifecycle states of a member that the group has let go of."""

ARRIVING = frozenset({"Pending", "Pending:Wait", "Pending:Proceed"})
"""The lifecycle states of a member that is not in service yet: the group registers it when it is."""


@dataclass(frozen=True)
class Member:
    """One instance of a group."""

    id: str
    lifecycle: str
    healthy: bool = True
    protected: bool = False
    """From being scaled in."""


@dataclass(frozen=True)
class GroupFacts:
    """A group as it is now."""

    name: str
    least: int
    most: int
    desired: int
    members: tuple[Member, ...]
    suspended: frozenset[str]
    source: GroupSource
    pools: tuple[str, ...] = ()
    """ARNs of target groups and names of classic balancers that it is attached to."""
    own_templates: tuple[str, ...] = ()
    """Instance types for which its mixed-instances policy names a template of their own."""
    protects: bool = False
    """Whether what it launches is protected from being scaled in."""
    own_types: tuple[str, ...] = ()
    """Instance types that its mixed-instances policy chooses from, instead of its template's."""

    def lifecycle(self, instance: str) -> str:
        """The state of a member; empty for an instance that is none."""
        return next((one.lifecycle for one in self.members if one.id == instance), "")


class Group(Protocol):
    """One Auto Scaling group, as a rollout changes it; `AwsGroup` says what each call means and raises."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def describe(self) -> GroupFacts:
        """The group as it is now."""
        ...

    def suspend(self, processes: Iterable[str]) -> None:
        """Suspends processes."""
        ...

    def resume(self, processes: Iterable[str]) -> None:
        """Resumes processes."""
        ...

    def resize(
        self, *, least: int | None = None, most: int | None = None, desired: int | None = None
    ) -> Outcome[object]:
        """Sets the sizes that are given."""
        ...

    def attach(self, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Makes running instances members."""
        ...

    def protect(self, instances: Sequence[str], *, wanted: bool) -> None:
        """Has members protected from being scaled in, or not."""
        ...

    def terminate(self, instance: str) -> Outcome[None]:
        """Ends a member and its place."""
        ...

    def detach(self, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Lets members go, and their places; they run on."""
        ...


@dataclass(frozen=True)
class AwsGroup:
    """One group, by name."""

    session: AwsSession
    name: str

    def describe(self) -> GroupFacts:
        """The group as it is now. Raises AwsError, also when there is none of this name."""
        with translated(f"looking at the Auto Scaling group {self.name}"):
            found = self.session.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        if not found["AutoScalingGroups"]:
            raise AwsError(
                f"there is no Auto Scaling group {self.name} in {self.session.region}; check `find` in "
                "deployer.toml"
            )
        return _facts(found["AutoScalingGroups"][0])

    def suspend(self, processes: Iterable[str]) -> None:
        """Suspends processes; one that is suspended stays so. Raises AwsError."""
        names = sorted(processes)
        if names:
            with translated(f"suspending {', '.join(names)} of {self.name}"):
                self.session.autoscaling.suspend_processes(AutoScalingGroupName=self.name, ScalingProcesses=names)

    def resume(self, processes: Iterable[str]) -> None:
        """Resumes processes; one that runs goes on. Raises AwsError."""
        names = sorted(processes)
        if names:
            with translated(f"resuming {', '.join(names)} of {self.name}"):
                self.session.autoscaling.resume_processes(AutoScalingGroupName=self.name, ScalingProcesses=names)

    def resize(
        self, *, least: int | None = None, most: int | None = None, desired: int | None = None
    ) -> Outcome[object]:
        """Sets the sizes that are given; the others stay."""
        given: dict[str, Any] = {"MinSize": least, "MaxSize": most, "DesiredCapacity": desired}
        sizes = {key: value for key, value in given.items() if value is not None}
        return attempt(
            lambda: self.session.autoscaling.update_auto_scaling_group(AutoScalingGroupName=self.name, **sizes),
            f"setting {', '.join(f'{key}={value}' for key, value in sizes.items())} of {self.name}",
        )

    def attach(self, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Makes running instances members: the desired capacity grows by as many, and the group registers them."""

        def call(batch: Sequence[str]) -> Outcome[object]:
            return _patient(
                attempt(
                    lambda: self.session.autoscaling.attach_instances(
                        AutoScalingGroupName=self.name, InstanceIds=list(batch)
                    ),
                    f"attaching {', '.join(batch)} to {self.name}",
                )
            )

        return bisect(list(dict.fromkeys(instances)), call, _REFUSED, size=MOST_MOVED)

    def protect(self, instances: Sequence[str], *, wanted: bool) -> None:
        """Has members protected from being scaled in, or not. Raises AwsError."""
        for start in range(0, len(instances), MOST_PROTECTED):
            batch = list(instances[start : start + MOST_PROTECTED])
            with translated(f"{'' if wanted else 'un'}protecting {', '.join(batch)} in {self.name}"):
                self.session.autoscaling.set_instance_protection(
                    AutoScalingGroupName=self.name, InstanceIds=batch, ProtectedFromScaleIn=wanted
                )

    def terminate(self, instance: str) -> Outcome[None]:
        """Ends a member, whose place the group does not fill again; termination hooks are run."""
        outcome = _patient(
            attempt(
                lambda: self.session.autoscaling.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance, ShouldDecrementDesiredCapacity=True
                ),
                f"terminating {instance} in {self.name}",
            )
        )
        return Done(None, outcome.request_id) if isinstance(outcome, Done) else outcome

    def detach(self, instances: Sequence[str]) -> dict[str, Outcome[None]]:
        """Lets members go, which run on; the desired capacity falls by as many, so that nothing is launched for
        them. Only what is in service or on standby can be detached, and none below the minimum.
        [Auto Scaling API reference, DetachInstances]
        """

        def call(batch: Sequence[str]) -> Outcome[object]:
            return _patient(
                attempt(
                    lambda: self.session.autoscaling.detach_instances(
                        AutoScalingGroupName=self.name,
                        InstanceIds=list(batch),
                        ShouldDecrementDesiredCapacity=True,
                    ),
                    f"detaching {', '.join(batch)} from {self.name}",
                )
            )

        return bisect(list(dict.fromkeys(instances)), call, _REFUSED, size=MOST_MOVED)


def as_the_group_has_it(instance: Instance, facts: GroupFacts) -> Instance:
    """An instance with its state in the group; one that the group has let go of is on its way out. Pure."""
    lifecycle = facts.lifecycle(instance.id)
    return on_its_way_out(instance, lifecycle) if lifecycle in LEAVING else replace(instance, lifecycle=lifecycle)


def on_its_way_out(instance: Instance, lifecycle: str) -> Instance:
    """The same, gone or going: it may run on for its hooks and its drain, but nothing counts on it. Pure."""
    state = InstanceState.SHUTTING_DOWN if instance.state.alive else instance.state
    return replace(instance, state=state, lifecycle=lifecycle)


def group_problems(facts: GroupFacts, balancers: frozenset[str]) -> Iterator[str]:
    """What speaks against a rollout on a group whose fleet has these balancers. Pure."""
    strange = [pool for pool in facts.pools if pool not in balancers]
    if strange:
        yield (
            f"the Auto Scaling group {facts.name} is attached to {', '.join(strange)}, which is no balancer of the "
            "fleet; add it to `balancers` in deployer.toml, or nothing would wait until it has drained"
        )
    if facts.own_templates:
        yield (
            f"the mixed-instances policy of {facts.name} names a launch template of its own for "
            f"{', '.join(facts.own_templates)}; only one template for all types can be given a new image"
        )
    standby = [one.id for one in facts.members if one.lifecycle in ("Standby", "EnteringStandby")]
    if standby:
        yield (
            f"{', '.join(standby)} of {facts.name} is in Standby; return it to service "
            f"(`aws autoscaling exit-standby`) or terminate it before rolling out"
        )


def _patient(outcome: Outcome[Any]) -> Outcome[Any]:
    """A group that is being changed by somebody else is asked again later."""
    match outcome:
        case Permanent(reason=reason, code=code, request_id=request) if code in _BUSY:
            return Temporary(reason, 5.0, code, request)
        case _:
            return outcome


def _facts(raw: AutoScalingGroupTypeDef) -> GroupFacts:
    return GroupFacts(
        name=raw.get("AutoScalingGroupName", ""),
        least=raw.get("MinSize", 0),
        most=raw.get("MaxSize", 0),
        desired=raw.get("DesiredCapacity", 0),
        members=tuple(
            Member(
                one.get("InstanceId", ""),
                str(one.get("LifecycleState", "")),
                str(one.get("HealthStatus", "")).lower() == "healthy",
                one.get("ProtectedFromScaleIn", False),
            )
            for one in raw.get("Instances", [])
        ),
        suspended=frozenset(str(one.get("ProcessName", "")) for one in raw.get("SuspendedProcesses", [])),
        source=source_of(raw),
        pools=(*raw.get("TargetGroupARNs", []), *raw.get("LoadBalancerNames", [])),
        own_templates=own_templates(raw),
        protects=raw.get("NewInstancesProtectedFromScaleIn", False),
        own_types=own_types(raw),
    )
