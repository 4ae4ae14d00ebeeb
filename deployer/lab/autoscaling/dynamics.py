"""What a group does by itself: launching, terminating, health replacement, rebalancing."""

from __future__ import annotations

from dataclasses import dataclass

from moto.core.exceptions import ServiceException

from deployer.lab.autoscaling.balance import next_zone, uneven, victims
from deployer.lab.autoscaling.errors import Refused
from deployer.lab.autoscaling.launching import Birth
from deployer.lab.autoscaling.lifecycle import Life, pools_of
from deployer.lab.autoscaling.records import Group, Lifecycle, Member, Process
from deployer.lab.context import Power

_TRY_AGAIN = 5.0
"""Seconds until a failed launch is tried again; minutes on AWS, more each time."""


@dataclass
class Dynamics:
    """The processes of all groups. Called under the service's lock."""

    life: Life

    def turn(self, group: Group) -> None:
        """One look at a group, and what follows from it."""
        for member in list(group.members.values()):
            self.life.step(group, member)
        if group.runs(Process.HEALTH_CHECK):
            for member in group.in_service():
                self._check(group, member)
        self._replace_unhealthy(group)
        self._meet_desired(group)
        self._rebalance(group)

    # -- size ----------------------------------------------------------------------------------------

    def _meet_desired(self, group: Group) -> None:
        missing = group.desired - len(group.counted())
        if missing > 0 and group.runs(Process.LAUNCH) and self.life.clock() >= group.refused_until:
            for _ in range(missing):
                if self.launch(group, next_zone(group), group.cause or "an instance was needed") is None:
                    return
        elif missing < 0 and group.runs(Process.TERMINATE):
            for member in victims(group, -missing, self._current(group)):
                self.life.retire(group, member, group.cause or "an instance was taken out of service")

    def launch(self, group: Group, zone: str, cause: str, token: str = "") -> Member | None:
        """Launches one member; None when EC2 refuses, which the activity then tells."""
        activity = self.life.begin(group, "Launching a new EC2 instance", cause)
        activity.details = f'{{"Subnet ID":"{group.subnets[zone]}","Availability Zone":"{zone}"}}'
        birth = Birth(group.name, zone, group.subnets[zone], group.propagated(), token)
        try:
            made, template = self.life.launcher.launch(group.source, birth)
        except Refused as refusal:
            activity.description = "Launching a new EC2 instance.  Status Reason: " + str(refusal.message)
            activity.end(self.life.now(), failed=f"{refusal.message} Launching EC2 instance failed.")
            group.refused_until = self.life.clock() + _TRY_AGAIN
            return None
        activity.description = f"Launching a new EC2 instance: {made.id}"
        activity.status = "PreInService"
        member = Member(
            id=made.id,
            zone=made.zone,
            type=made.type,
            image=made.image_id,
            lifecycle=Lifecycle.PENDING,
            joined=self.life.clock(),
            template=template.wire() if template is not None else None,
            configuration=group.source.configuration,
            protected=group.protect_new,
            activity=activity,
        )
        group.members[made.id] = member
        return member

    def _current(self, group: Group) -> str:
        specification = group.source.specification()
        if specification is None:
            return group.source.configuration or ""
        try:
            template = self.life.launcher.template(specification)
        except ServiceException:
            return ""
        return f"{template.id}:{template.number}"

    def _rebalance(self, group: Group) -> None:
        """Launches where the group lacks a member; the scale-in that follows takes from the fullest zone."""
        ready = len(group.in_service()) == len(group.counted()) == group.desired
        if not ready or not group.runs(Process.AZ_REBALANCE):
            return
        if not group.runs(Process.LAUNCH) or not group.runs(Process.TERMINATE):
            return
        zone = uneven(group)
        if zone is not None:
            group.cause = f"instances were launched to balance instances in zones with other zones: {zone}"
            self.launch(group, zone, group.cause)

    # -- health --------------------------------------------------------------------------------------

    def _check(self, group: Group, member: Member) -> None:
        facts = self.life.launcher.facts(member.id)
        if (
            facts is None
            or facts.power is not Power.RUNNING
            or ("ELB" in group.health_type and self._past_grace(group, member) and self._sick(group, member))
        ):
            member.healthy = False

    def _past_grace(self, group: Group, member: Member) -> bool:
        return member.in_service_at is not None and self.life.clock() - member.in_service_at >= group.grace

    def _sick(self, group: Group, member: Member) -> bool:
        """Unhealthy at any balancer; a target that somebody else has deregistered counts as that too."""
        states = [self.life.pools.state(pool, member.id) for pool in pools_of(group)]
        return "unhealthy" in states or "absent" in states

    def _replace_unhealthy(self, group: Group) -> None:
        """The sick one goes first and the launch follows, unless a process it needs is suspended [ASG]."""
        if not group.runs(Process.REPLACE_UNHEALTHY) or not group.runs(Process.TERMINATE):
            return
        for member in group.in_service():
            if not member.healthy:
                cause = "an instance was taken out of service in response to a health check failure"
                group.cause = cause
                self.life.retire(group, member, cause)
