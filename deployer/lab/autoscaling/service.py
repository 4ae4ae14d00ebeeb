"""The Auto Scaling service of one lab: its groups, and the thread that keeps them what they should be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from deployer.lab.alarms import Alarms
from deployer.lab.alarms.records import Transition
from deployer.lab.autoscaling.dynamics import Dynamics
from deployer.lab.autoscaling.errors import invalid, no_group, not_a_member
from deployer.lab.autoscaling.launching import Launcher
from deployer.lab.autoscaling.lifecycle import Life
from deployer.lab.autoscaling.policies import Moment, ScalingPolicy, Signal, settle
from deployer.lab.autoscaling.pools import Pools
from deployer.lab.autoscaling.records import Group, Member
from deployer.lab.autoscaling.refresh import Refreshes
from deployer.lab.autoscaling.schedules import Schedules
from deployer.lab.context import InstanceDirectory

_log = logging.getLogger(__name__)
_LOOK = 0.25
_STOP = 5.0


class Groups:
    """All groups of a lab. Hold `lock` while reading or changing what is in it."""

    def __init__(
        self,
        account: str,
        region: str,
        launcher: Launcher,
        pools: Pools,
        alarms: Alarms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.account, self.region = account, region
        self.alarms = alarms
        self.lock = threading.RLock()
        self.clock = clock
        self.life = Life(launcher, pools, clock)
        self.dynamics = Dynamics(self.life)
        self.refreshes = Refreshes(self.life, self.dynamics)
        self.schedules = Schedules()
        self.policies: dict[str, ScalingPolicy] = {}
        self.groups: dict[str, Group] = {}
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._main, name="autoscaling", daemon=True)

    def start(self, directory: InstanceDirectory) -> None:
        """Begins to look after the groups; wakes at each change of an instance."""
        directory.subscribe(lambda _facts: self.wake())
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread. The instances stay as they are."""
        self._stopping = True
        self.wake()
        self._thread.join(_STOP)

    def wake(self) -> None:
        """Has a look soon; callable from any thread."""
        self._wake.set()

    def group(self, name: str | None) -> Group:
        """The group of this name. Raises ValidationError."""
        found = self.groups.get(name or "")
        if found is None or found.deleting:
            raise no_group(name or "")
        return found

    def member(self, instance_id: str) -> tuple[Group, Member]:
        """A member and its group. Raises ValidationError."""
        for group in self.groups.values():
            if instance_id in group.members:
                return group, group.members[instance_id]
        raise invalid(f"Instance Id not found - No managed instance found for instance ID: {instance_id}")

    def members_of(self, group: Group, ids: list[str]) -> list[Member]:
        """Members by id. Raises ValidationError for one that belongs elsewhere."""
        for one in ids:
            if one not in group.members:
                raise not_a_member(one, group.name)
        return [group.members[one] for one in ids]

    def on_alarm(self, arn: str, transition: Transition) -> None:
        """Where an alarm's action arrives. Raises ValidationError for an unknown policy."""
        state = transition.state.value
        self.run_policy(arn, Signal(transition.alarm.name, state, transition.value, transition.threshold))

    def run_policy(self, arn: str, signal: Signal) -> bool:
        """Carries a scaling policy out for an alarm; False when its group does not hear it, or cools down.

        Raises ValidationError for an unknown policy.
        """
        with self.lock:
            policy = self.policies.get(arn)
            if policy is None:
                raise invalid(f"PolicyName not found: {arn}")
            group, moment = self.group(policy.group), self.moment()
            if not policy.hears(group) or policy.waits(group, moment):
                return False
            policy.carry_out(group, signal, moment)
        self.wake()
        return True

    def moment(self) -> Moment:
        """The time, as policies count it."""
        return Moment(self.clock(), self.alarms.scale)

    def look(self) -> None:
        """One look at every group."""
        with self.lock:
            for group in list(self.groups.values()):
                self.schedules.turn(group, self.life.now())
                self.refreshes.turn(group)
                self.dynamics.turn(group)
                settle(group, self.moment())
                if group.deleting and not group.members:
                    del self.groups[group.name]

    def _main(self) -> None:
        while not self._stopping:
            self._wake.wait(_LOOK)
            self._wake.clear()
            try:
                self.look()
            except Exception:  # noqa: BLE001 - the groups have to be looked after; the log has the traceback
                _log.exception("a look at the Auto Scaling groups failed; trying again")
                time.sleep(_LOOK)
