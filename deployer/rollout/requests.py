"""`deployer approve`, `pause` and `unlock`: what an operator asks of the process that holds a fleet."""

from __future__ import annotations

from deployer.aws.found import FoundFleet
from deployer.config.settings import FleetSettings
from deployer.engine.claims import claims_on
from deployer.model.errors import FleetHeld, PreflightRefused
from deployer.model.fleet import Tag
from deployer.model.outcome import Done
from deployer.rollout.wiring import Wiring
from deployer.state.owner import Owner, this_process
from deployer.state.requests import Request, Wish
from deployer.state.store import Holder


def approve(settings: FleetSettings) -> Holder | None:
    """Tells the rollout that runs on the fleet to go on past the gate that waits; None when none runs."""
    return _ask(settings, Wish.APPROVE)


def pause(settings: FleetSettings) -> Holder | None:
    """Asks the rollout that runs on the fleet to pause, and tells whose it is; None when none runs."""
    return _ask(settings, Wish.PAUSE)


def _ask(settings: FleetSettings, wish: Wish) -> Holder | None:
    wiring = Wiring(settings)
    store = wiring.store()
    there = store.holder(settings.name)
    if there is not None:
        by = str(this_process(wiring.environment))
        store.post(settings.name, Request(there.rollout, wish, by, wiring.clock.wall()))
    return there


def unlock(settings: FleetSettings) -> Holder | None:
    """Frees the fleet whoever holds it, and tells who did; None when nobody did. Raises DeployerError.

    Claims are emptied with it, those of other state stores too: their rollouts see it and stop.
    """
    wiring = Wiring(settings)
    held = wiring.store().break_lease(settings.name, str(this_process(wiring.environment)))
    found = _found(wiring)
    if found is None:
        return held
    claimed = [one.id for one in found.instances if one.state.alive and claims_on([one])]
    if claimed:
        outcome = wiring.cloud(found).tag(claimed, {Tag.CLAIM: ""})
        if not isinstance(outcome, Done):
            raise FleetHeld(f"the claim on {', '.join(claimed)} could not be taken off: {outcome.reason}")
    return held or _claimant(settings, found)


def holder(settings: FleetSettings) -> Holder | None:
    """Who holds the fleet, by the store or else by the claim on its instances. Raises DeployerError."""
    wiring = Wiring(settings)
    held = wiring.store().holder(settings.name)
    found = _found(wiring) if held is None else None
    return held if found is None else _claimant(settings, found)


def _found(wiring: Wiring) -> FoundFleet | None:
    """The fleet; None where it is empty or cannot be looked at, which keeps nobody from freeing its lease."""
    try:
        return wiring.find()
    except PreflightRefused:
        return None


def _claimant(settings: FleetSettings, found: FoundFleet) -> Holder | None:
    """Whose claim the fleet carries, as a holder of whom only that is known."""
    for claim in claims_on(found.instances):
        user, _, host = claim.by.partition("@")
        owner = Owner(user or "somebody", host or "another machine", "", 0, "")
        reason = f"its claim is on the instances; it began with {claim.size} of them"
        return Holder(settings.name, claim.rollout, reason, owner, epoch=0, since=0.0, beat=0.0, ttl=0.0)
    return None
