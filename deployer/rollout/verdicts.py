"""What the journals say of a release: whether the last rollout to it had to be turned back from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.engine.ports import Record
from deployer.engine.replay import pinned_plan
from deployer.engine.result import Status
from deployer.model.errors import PreflightRefused
from deployer.model.fleet import Release
from deployer.state.store import Entry, StateStore

_LOOK_BACK = 50
"""Rollouts of a fleet whose journals are read."""

ABORTED = "aborted"
"""The reason of a way back that somebody wanted: it says nothing against the release."""


@dataclass(frozen=True)
class Verdict:
    """A rollout that found a release sick, and why."""

    rollout: str
    reason: str


def refuse_sick(store: StateStore, fleet: str, goal: Release) -> None:
    """Refuses a way back onto a release that the fleet was turned back from. Raises PreflightRefused."""
    found = against(store, fleet, goal)
    if found is not None:
        raise PreflightRefused(
            f"release {goal.name} was turned back from in rollout {found.rollout} ({found.reason}); go back to "
            f"another one by --to, roll a mended release out, or say --even-if-sick"
        )


def against(store: StateStore, fleet: str, goal: Release) -> Verdict | None:
    """The verdict of the latest rollout that came to one; None where it succeeded, or there was none."""
    for entry in store.rollouts(fleet, _LOOK_BACK):
        if not _was_about(entry, goal):
            continue
        if entry.end is not None and entry.end.data.get("status") == Status.SUCCEEDED.value:
            return None
        reason = sickness(store.read_rollout(fleet, entry.rollout))
        if reason is not None:
            return Verdict(entry.rollout, reason)
    return None


def _was_about(entry: Entry, goal: Release) -> bool:
    """Whether a rollout went to this release; another bundle of the same name is another release."""
    plan = pinned_plan([entry.plan]) if entry.plan is not None else None
    if plan is None or plan.goal.name != goal.name:
        return False
    return not plan.goal.digest or not goal.digest or plan.goal.digest == goal.digest


def sickness(records: Sequence[Record]) -> str | None:
    """Why a rollout gave its release up: it turned back, and not because somebody asked, or too much failed."""
    turned = next((one for one in records if one.kind == "stance" and one.data.get("rolling_back")), None)
    if turned is not None:
        reason = str(turned.data.get("reason", ""))
        return reason if reason != ABORTED else None
    plan = pinned_plan(records)
    failed = [record for record in records if record.kind == "failure"]
    if plan is None or len(failed) <= plan.policy.max_failures:
        return None
    return f"{failed[0].subject}: {failed[0].data.get('reason', '')}"
