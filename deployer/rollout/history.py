"""`deployer history`: what a fleet's store remembers of its rollouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.config.settings import FleetSettings
from deployer.engine.plan import RolloutPlan
from deployer.engine.ports import Record
from deployer.engine.reports import PastRollout
from deployer.model.errors import UsageError
from deployer.rollout.wiring import Wiring
from deployer.state.store import Entry


def history(settings: FleetSettings, limit: int) -> tuple[PastRollout, ...]:
    """The fleet's latest rollouts, the newest first. Raises DeployerError."""
    store = Wiring(settings).store()
    return tuple(past_of(entry) for entry in store.rollouts(settings.name, limit))


def one_rollout(settings: FleetSettings, rollout: str) -> tuple[PastRollout, tuple[Record, ...]]:
    """One rollout and everything that was written down of it. Raises UsageError when it is not known."""
    store = Wiring(settings).store()
    entries = store.rollouts(settings.name, settings.state.keep)
    entry = next((one for one in entries if one.rollout == rollout), None)
    if entry is None:
        known = ", ".join(one.rollout for one in entries[:5]) or "none"
        raise UsageError(f"the store knows no rollout {rollout} of fleet {settings.name}; the latest are {known}")
    return past_of(entry), tuple(store.read_rollout(settings.name, rollout))


def all_records(settings: FleetSettings, rollout: str | None = None) -> Iterator[Record]:
    """Every record of one rollout, or of all that are kept, the oldest first. Raises DeployerError."""
    if rollout is not None:
        yield from one_rollout(settings, rollout)[1]
        return
    store = Wiring(settings).store()
    for entry in reversed(store.rollouts(settings.name, settings.state.keep)):
        yield from store.read_rollout(settings.name, entry.rollout)


def past_of(entry: Entry) -> PastRollout:
    """An entry as one line of history tells it."""
    plan = RolloutPlan.from_json(entry.plan.data["plan"]) if entry.plan is not None else None  # type: ignore[arg-type]
    end = entry.end.data if entry.end is not None else {}
    who = by_of(entry.opened)
    return PastRollout(
        rollout=entry.rollout,
        started=entry.started,
        release_from=plan.previous.name if plan is not None else "",
        release_to=plan.goal.name if plan is not None else "",
        status=str(end.get("status", "open")),
        reason=str(end.get("reason") or ""),
        seconds=max(0.0, round(entry.end.wall - entry.started, 1)) if entry.end is not None else None,
        by=f"{who['user']}@{who['host']}" if "user" in who else "",
        **{key: str(who.get(key, "")) for key in ("job", "command", "version", "revision")},
    )


def by_of(record: Record | None) -> Mapping[str, object]:
    """Who wrote the record that opened a journal, as `Deed.data` has it; empty for one of before."""
    who = record.data.get("by") if record is not None else None
    return who if isinstance(who, Mapping) else {}
