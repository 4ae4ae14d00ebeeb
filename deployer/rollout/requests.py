"""`deployer approve`, `pause` and `unlock`: what an operator asks of the process that holds a fleet."""

from __future__ import annotations

from deployer.config.settings import FleetSettings
from deployer.rollout.wiring import Wiring
from deployer.state.owner import this_process
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
    """Frees the fleet whoever holds it, and tells who did; None when nobody did. Raises DeployerError."""
    wiring = Wiring(settings)
    return wiring.store().break_lease(settings.name, str(this_process(wiring.environment)))


def holder(settings: FleetSettings) -> Holder | None:
    """Who holds the fleet. Raises DeployerError."""
    return Wiring(settings).store().holder(settings.name)
