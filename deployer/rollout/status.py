"""`deployer status`: the fleet as it is now."""

from __future__ import annotations

import time

from deployer.config.settings import FleetSettings
from deployer.engine.reports import FleetStatus
from deployer.model.errors import StateUnavailable
from deployer.model.service import count
from deployer.rollout.kept import kept_instances
from deployer.rollout.preparation import on_ground, survey
from deployer.rollout.wiring import Wiring
from deployer.state.store import Entry, Holder


def status(settings: FleetSettings) -> FleetStatus:
    """The fleet as it is now. Raises DeployerError."""
    return status_of(Wiring(settings))


def status_of(wiring: Wiring) -> FleetStatus:
    """The same, by what is wired together already."""
    settings = wiring.settings
    with on_ground(wiring) as ground:
        seen = survey(ground).look()
        warnings = [*ground.found.problems]
        held, last = None, None
        try:
            store = wiring.store()
            holder, entry = store.holder(settings.name), store.last_rollout(settings.name)
            held, last = (_held(holder) if holder else None), (_last(entry, holder) if entry else None)
            if holder is not None:
                # What a rollout that is under way has launched and not attached yet is not for others to end.
                warnings = [problem for problem in warnings if holder.rollout not in problem]
        except StateUnavailable as error:
            held = "nobody can tell whether it is held: its state cannot be read"
            warnings.append(str(error))
        kept = kept_instances(ground)
        return FleetStatus(
            settings.name, seen, count(seen).in_service, held, last, tuple(warnings), kept, wiring.where
        )


def _held(holder: Holder) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.since))
    return f"{holder.owner} since {since}: {holder.reason} (rollout {holder.rollout})"


def _last(entry: Entry, holder: Holder | None) -> str:
    ended = (
        "running"
        if holder is not None and holder.rollout == entry.rollout
        else "open; `deployer resume` goes on with it"
    )
    if entry.end is not None:
        ended = str(entry.end.data.get("status", "ended"))
    return f"{entry.rollout}: {ended}"
