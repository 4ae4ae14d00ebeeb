"""Pre-scaling: a group is scaled out before anything of the fleet is changed, and in again at the end.

What it launches meanwhile is what it launched before the rollout: known good, and replaced like the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployer.aws.groups import Group, GroupFacts
from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Watch
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Clock, Cloud
from deployer.model.errors import AwsError, DeployerError, ExitCode
from deployer.model.fleet import TargetState
from deployer.model.outcome import Done
from deployer.rollout.undo import MOST, PRE_SCALE, Undos

_LOOK_EVERY = 2.0


class NotScaledOut(DeployerError):
    """What the group launched did not come into service in time; everything is as it was before."""

    exit_code = ExitCode.FAILED_SAFE


@dataclass(frozen=True)
class Waiting:
    """How a rollout waits before its loop turns; `each_look` keeps the lease."""

    clock: Clock
    each_look: Callable[[], None] = lambda: None
    stop: StopRequest = field(default_factory=StopRequest)
    watch: Watch = lambda _event: None


@dataclass(frozen=True)
class PreScaling:
    """The growth of one group for one rollout; where it stands is in the undos alone."""

    group: Group
    undos: Undos
    plan: RolloutPlan

    @property
    def _open(self) -> Mapping[str, Any] | None:
        return self.undos.open.get(PRE_SCALE)

    def begin(self, cloud: Cloud, waiting: Waiting) -> None:
        """Scales out and waits until what was launched is in service; a stop that is asked for ends the waiting.

        A resumed rollout goes on where the one before it was. Raises NotScaledOut, and AwsError.
        """
        facts = self.group.describe()
        if self._open is None and self.plan.pre_scale:
            members = [one.id for one in facts.members]
            self._note(by=self.plan.pre_scale, desired=facts.desired, members=members, ready=False)
        there = self._open
        if there is None or there["ready"]:
            return
        self._scale_out(facts, int(there["desired"]) + int(there["by"]), waiting)
        if self._arrived(cloud, waiting):
            self._unprotect(there["members"])
            self._note(**{**there, "ready": True})

    def grown(self, facts: GroupFacts, surplus: int) -> int:
        """By how much the desired capacity is more than without pre-scaling; `surplus` is the rollout's own."""
        there = self._open
        if there is None:
            return 0
        made = there["ready"] or facts.desired - surplus >= int(there["desired"]) + int(there["by"])
        return int(there["by"]) if made else 0

    def scaling_in(self, facts: GroupFacts) -> None:
        """Before the desired capacity is lowered: whoever comes after a crash can tell whether it was."""
        if self._open is not None:
            self._note(**{**self._open, "lowered_from": facts.desired})

    def done(self) -> None:
        """After it is what it was."""
        self.undos.done(PRE_SCALE)

    def find_out(self, facts: GroupFacts) -> None:
        """A run that died while it scaled in has done so, or has not; the rollout goes on either way."""
        there = self._open
        if there is None or "lowered_from" not in there:
            return
        if facts.desired < int(there["lowered_from"]):
            self.done()
        else:
            self._note(**{key: value for key, value in there.items() if key != "lowered_from"})

    def _unprotect(self, before: Sequence[str]) -> None:
        """A group that protects what it launches could not scale in again."""
        added = [one.id for one in self.group.describe().members if one.id not in before and one.protected]
        self.group.protect(added, wanted=False)

    def _scale_out(self, facts: GroupFacts, wanted: int, waiting: Waiting) -> None:
        if facts.desired >= wanted:
            return
        if wanted > facts.most:
            self.undos.once(MOST, {"value": facts.most})
        outcome = self.group.resize(desired=wanted, most=max(wanted, facts.most))
        if not isinstance(outcome, Done):
            raise AwsError(f"{self.group.name} was not scaled out: {outcome.reason}; `deployer resume` tries again")
        waiting.watch(Noted(f"{self.group.name} scales out from {facts.desired} to {wanted} before the rollout"))

    def _arrived(self, cloud: Cloud, waiting: Waiting) -> bool:
        """Waits until as many more are in service; False when a stop was asked for meanwhile."""
        there, limits = self.undos.open[PRE_SCALE], self.plan.policy.deadlines
        longest = limits.launch + limits.boot + limits.health
        end, found = waiting.clock.now() + longest, 0
        while not waiting.stop.count:
            waiting.each_look()
            found = self._in_service(cloud, frozenset(there["members"]), found)
            if found >= int(there["by"]):
                return True
            if waiting.clock.now() >= end:
                raise NotScaledOut(
                    f"{self.group.name} was to have {there['by']} more in service before the rollout, and has "
                    f"{found} more after {longest:g} s; nothing else was changed. See its scaling activities"
                )
            waiting.clock.sleep(_LOOK_EVERY)
        return False

    def _in_service(self, cloud: Cloud, before: frozenset[str], otherwise: int) -> int:
        """How many that came after `before` are in service everywhere; a look that fails is made again."""
        try:
            members, targets = self.group.describe().members, cloud.look().targets
        except AwsError:
            return otherwise
        fresh = [one.id for one in members if one.id not in before and one.lifecycle == "InService"]
        healthy = [
            {ident for ident, target in targets.get(one.id, {}).items() if target.state is TargetState.HEALTHY}
            for one in self.plan.balancers
        ]
        return sum(all(ident in there for there in healthy) for ident in fresh)

    def _note(self, **data: Any) -> None:
        self.undos.record(PRE_SCALE, {key: value for key, value in data.items() if key != "what"})
