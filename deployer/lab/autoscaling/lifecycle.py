"""The life of one member: into service, out of it for a while, and out of the group.

Every step looks at what is there now, so a step that is not possible yet is simply tried again at the next
look. Hooks hold a member up until they are completed or their time is over.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from moto.core.exceptions import ServiceException

from deployer.lab.autoscaling.launching import Launcher
from deployer.lab.autoscaling.pools import Pool, Pools
from deployer.lab.autoscaling.records import (
    ENDING,
    Activity,
    Group,
    Hold,
    Lifecycle,
    Member,
    Process,
    Transition,
)
from deployer.lab.context import Power

_log = logging.getLogger(__name__)
_GONE = (Power.SHUTTING_DOWN, Power.TERMINATED)
_DRAINING = "WaitingForELBConnectionDraining"
_HELD = "MidLifecycleAction"
MOST_ACTIVITIES = 500


def pools_of(group: Group) -> list[Pool]:
    """Everything the group is attached to."""
    return [*(Pool(arn, False) for arn in group.target_groups), *(Pool(name, True) for name in group.classics)]


@dataclass
class Life:
    """Moves members from state to state. `clock` is monotonic seconds."""

    launcher: Launcher
    pools: Pools
    clock: Callable[[], float]

    def now(self) -> datetime:
        """The wall clock, for what answers carry."""
        return datetime.now(UTC)

    def begin(self, group: Group, description: str, cause: str) -> Activity:
        """A new scaling activity, the latest first."""
        activity = Activity(str(uuid.uuid4()), description, cause, self.now())
        group.activities.insert(0, activity)
        del group.activities[MOST_ACTIVITIES:]
        return activity

    def step(self, group: Group, member: Member) -> None:
        """Moves one member on, as far as it goes now."""
        match member.lifecycle:
            case Lifecycle.PENDING:
                self._pending(group, member)
            case Lifecycle.PENDING_WAIT:
                self._held(group, member, Lifecycle.PENDING_PROCEED)
            case Lifecycle.PENDING_PROCEED:
                self._into_service(group, member)
            case Lifecycle.ENTERING_STANDBY if self._drained(group, member):
                self._arrive(member, Lifecycle.STANDBY)
            case Lifecycle.DETACHING if self._drained(group, member):
                self._arrive(member, member.lifecycle)
                del group.members[member.id]
                self.launcher.mark(member.id, None, {})
            case Lifecycle.TERMINATING if self._drained(group, member):
                self._drained_for_good(group, member)
            case Lifecycle.TERMINATING_WAIT:
                self._held(group, member, Lifecycle.TERMINATING_PROCEED)
            case Lifecycle.TERMINATING_PROCEED:
                self._end(group, member)
            case _:
                pass

    # -- into service --------------------------------------------------------------------------------

    def _pending(self, group: Group, member: Member) -> None:
        facts = self.launcher.facts(member.id)
        if facts is None or facts.power in _GONE:
            self._lost(
                group, member, "Instance failed to launch: it became unhealthy while waiting for it to start."
            )
        elif facts.power is Power.RUNNING:
            if self._hold(group, member, Transition.LAUNCHING):
                member.lifecycle = Lifecycle.PENDING_WAIT
            else:
                self._into_service(group, member)

    def _into_service(self, group: Group, member: Member) -> None:
        facts = self.launcher.facts(member.id)
        if facts is None or facts.power is not Power.RUNNING:
            self._lost(group, member, "The instance stopped running before it was in service.")
            return
        if group.runs(Process.ADD_TO_LOAD_BALANCER):
            for pool in pools_of(group):
                try:
                    self.pools.register(pool, member.id)
                except ServiceException as error:
                    _log.info("%s of %s is not registered yet: %s", member.id, group.name, error)
                    return
        member.in_service_at = self.clock()
        self._arrive(member, Lifecycle.IN_SERVICE)

    def _lost(self, group: Group, member: Member, why: str) -> None:
        if member.activity is not None:
            member.activity.end(self.now(), failed=why)
        del group.members[member.id]

    def _arrive(self, member: Member, lifecycle: Lifecycle) -> None:
        member.lifecycle = lifecycle
        if member.activity is not None:
            member.activity.end(self.now())
            member.activity = None

    # -- hooks ---------------------------------------------------------------------------------------

    def _hold(self, group: Group, member: Member, transition: Transition) -> bool:
        hooks = [hook for hook in group.hooks.values() if hook.transition is transition]
        member.holds = [Hold(hook, str(uuid.uuid4()), self.clock() + hook.timeout) for hook in hooks]
        if hooks and member.activity is not None:
            member.activity.status = _HELD
        return bool(hooks)

    def _held(self, group: Group, member: Member, onward: Lifecycle) -> None:
        """Goes on when every hook has its result; ABANDON ends a launch, and cuts a termination's wait short."""
        facts = self.launcher.facts(member.id)
        if onward is Lifecycle.PENDING_PROCEED and (facts is None or facts.power in _GONE):
            self._lost(group, member, "The instance was terminated during its lifecycle action.")
            return
        results = [
            hold.result or (hold.hook.default if self.clock() >= hold.deadline else None) for hold in member.holds
        ]
        if "ABANDON" in results:
            member.holds = []
            if onward is Lifecycle.PENDING_PROCEED:
                self._abandon(group, member)
            else:
                member.lifecycle = onward
        elif None not in results:
            member.holds = []
            member.lifecycle = onward

    def _abandon(self, group: Group, member: Member) -> None:
        if member.activity is not None:
            hook = "Instance failed to complete user's Lifecycle Action: it was abandoned or its time ran out."
            member.activity.end(self.now(), failed=hook)
            member.activity = None
        self.retire(group, member, "an instance was terminated because its launch lifecycle action was abandoned")

    # -- out of service ------------------------------------------------------------------------------

    def leave(self, group: Group, member: Member, lifecycle: Lifecycle, activity: Activity) -> None:
        """Takes a member out of its balancers, on its way to `lifecycle`."""
        member.lifecycle = lifecycle
        member.in_service_at = None
        member.activity = activity
        for pool in pools_of(group):
            try:
                self.pools.deregister(pool, member.id)
            except ServiceException as error:
                _log.info("%s of %s: %s", member.id, group.name, error)
        if pools_of(group):
            activity.status = _DRAINING

    def retire(self, group: Group, member: Member, cause: str) -> Activity:
        """Begins the termination of a member; one that is on its way already stays on it."""
        if member.lifecycle in ENDING and member.activity is not None:
            return member.activity
        activity = self.begin(group, f"Terminating EC2 instance: {member.id}", cause)
        self.leave(group, member, Lifecycle.TERMINATING, activity)
        return activity

    def _drained(self, group: Group, member: Member) -> bool:
        facts = self.launcher.facts(member.id)
        if facts is None or facts.power is not Power.RUNNING:
            return True
        try:
            return all(self.pools.state(pool, member.id) == "absent" for pool in pools_of(group))
        except ServiceException:
            return True  # the balancer is gone, and nothing comes through it any more

    def _drained_for_good(self, group: Group, member: Member) -> None:
        facts = self.launcher.facts(member.id)
        alive = facts is not None and facts.power not in _GONE
        if alive and self._hold(group, member, Transition.TERMINATING):
            member.lifecycle = Lifecycle.TERMINATING_WAIT
        else:
            member.lifecycle = Lifecycle.TERMINATING_PROCEED
            self._end(group, member)

    def _end(self, group: Group, member: Member) -> None:
        self.launcher.end(member.id)
        facts = self.launcher.facts(member.id)
        if facts is None or facts.power is Power.TERMINATED:
            self._arrive(member, member.lifecycle)
            del group.members[member.id]
