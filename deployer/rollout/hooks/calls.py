"""What hooks are told of a rollout: its plan, what is seen of the fleet, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer.engine.plan import RolloutPlan
from deployer.hooks.contract import HookCall, Judgement, Place, Progress
from deployer.model.hosts import Host
from deployer.model.observation import Observation, Seen
from deployer.model.occasions import INSTANCE_POINTS, STEP_POINTS
from deployer.model.service import in_service
from deployer.rollout.hooks.rules import Key
from deployer.secrets.masking import mask


@dataclass(frozen=True)
class Standing:
    """How a rollout stands at the moment of a call: one look, its status, and the reason behind it.

    `host` is the host that the call is about, where it is none of the fleet's own: the builder.
    """

    seen: Observation
    progress: Progress = Progress.RUNNING
    reason: str = ""
    host: Host | None = None


@dataclass(frozen=True)
class Approval:
    """Somebody's yes, and when it was said, in Unix seconds by their clock.

    One that was given `beforehand`, with the command that resumes, holds for the first gate that needs one; any
    other holds for a gate that was waiting when it came.
    """

    by: str
    at: float
    beforehand: bool = False


@dataclass(frozen=True)
class Caller:
    """Makes calls for one rollout. `folder` is that of deployer.toml, `port` the application's."""

    plan: RolloutPlan
    folder: Path
    port: int

    def call(
        self,
        key: Key,
        name: str,
        standing: Standing,
        *,
        deadline: float,
        earlier: tuple[Judgement, ...] = (),
        waited: float = 0.0,
        approved_by: str = "",
    ) -> HookCall:
        """The call of one hook or gate. `release_to` is where the fleet goes now: on the way back, the old one."""
        seen, point, subject = standing.seen, key.occasion.point, key.occasion.subject
        one = seen.find(subject) if point in INSTANCE_POINTS else None
        place = self._place(one) if one is not None else None
        if standing.host is not None:
            place = Place(standing.host.instance, standing.host.zone, standing.host.address, self.port)
        progress = standing.progress
        if progress is Progress.RUNNING and seen.rolling_back:
            progress = Progress.ROLLING_BACK
        return HookCall(
            point=point,
            hook=name,
            rollout=self.plan.rollout,
            fleet=self.plan.fleet,
            strategy=self.plan.strategy,
            method=self.plan.policy.method.value,
            release_from=seen.previous.name,
            release_to=seen.goal.name,
            progress=progress,
            reason=mask(standing.reason),
            step=subject if point in STEP_POINTS else "",
            instance=place,
            instances=tuple(self._place(other) for _, other in seen.instances() if in_service(seen, other)),
            deadline=deadline,
            run_id=key.run_id(self.plan.rollout),
            folder=self.folder,
            earlier=earlier,
            waited=waited,
            approved_by=approved_by,
        )

    def _place(self, one: Seen) -> Place:
        return Place(one.id, one.instance.zone, one.instance.address, self.port)
