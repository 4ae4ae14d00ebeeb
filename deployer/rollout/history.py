"""`deployer history`: the rollouts that a fleet has had."""

from __future__ import annotations

from deployer.config.settings import FleetSettings
from deployer.engine.plan import RolloutPlan
from deployer.engine.reports import PastRollout
from deployer.rollout.wiring import Wiring
from deployer.state.store import Entry


def history(settings: FleetSettings, limit: int) -> tuple[PastRollout, ...]:
    """The fleet's latest rollouts, the newest first. Raises DeployerError."""
    store = Wiring(settings).store()
    return tuple(_past(entry) for entry in store.rollouts(settings.name, limit))


def _past(entry: Entry) -> PastRollout:
    plan = RolloutPlan.from_json(entry.plan.data["plan"]) if entry.plan is not None else None  # type: ignore[arg-type]
    end = entry.end.data if entry.end is not None else {}
    return PastRollout(
        rollout=entry.rollout,
        started=entry.started,
        release_from=plan.previous.name if plan is not None else "",
        release_to=plan.goal.name if plan is not None else "",
        status=str(end.get("status", "open")),
        reason=str(end.get("reason") or ""),
    )
