"""Holding a fleet for one run, and when it is let go of again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.engine.clock import StopRequest
from deployer.engine.events import Noted, Watch
from deployer.engine.fence import beating
from deployer.engine.ports import Clock, Lease
from deployer.model.errors import DeployerError, StateUnavailable
from deployer.rollout.hooks.calls import Approval
from deployer.rollout.wiring import Wiring
from deployer.state.owner import this_process
from deployer.state.requests import Request, Wish
from deployer.state.store import StateStore

LOOK_EVERY = 3.0
"""Seconds between looks for a request to pause or to make way."""

MAKES_WAY = 900.0
"""How long a rollout that was asked to make way is waited for, in seconds."""


@dataclass
class Hold:
    """A lease, and whether it is to be kept when the run ends."""

    lease: Lease
    keep: bool = False
    """Set when the run ends in the middle of things: only `resume` or `abort` may have the fleet then."""


def superseding(wiring: Wiring, store: StateStore, rollout_id: str, watch: Watch) -> None:
    """Asks whoever holds the fleet to make way, and waits until it has. Raises FleetHeld when it does not."""
    fleet, clock = wiring.settings.name, wiring.clock
    holder = store.holder(fleet)
    if holder is None:
        return
    store.post(fleet, Request(holder.rollout, Wish.SUPERSEDE, f"rollout {rollout_id}", clock.wall()))
    watch(Noted(f"rollout {holder.rollout} was asked to make way; it brings what is in flight back into service"))
    end = clock.now() + MAKES_WAY
    while (there := store.holder(fleet)) is not None and there.rollout == holder.rollout and clock.now() < end:
        clock.sleep(1.0)


class Mailbox:
    """Looks now and then whether somebody wants this rollout to stop, and passes it on as a request to stop."""

    def __init__(
        self,
        store: StateStore,
        fleet: str,
        rollout: str,
        stop: StopRequest,
        clock: Clock,
        approval: Approval | None = None,
    ) -> None:
        self._store, self._fleet, self._rollout, self._stop, self._clock = store, fleet, rollout, stop, clock
        self._next = 0.0
        self.request: Request | None = None
        self.approval = approval
        """The latest approval of going on past a gate that waits for one."""

    def look(self) -> None:
        """Called every tick; asks the store every few seconds. A store that is silent now is asked again later."""
        if self.request is not None or self._clock.now() < self._next:
            return
        self._next = self._clock.now() + LOOK_EVERY
        with contextlib.suppress(StateUnavailable):
            request = self._store.posted(self._fleet, self._rollout)
            if request is not None and request.wish is Wish.APPROVE:
                self.approval = Approval(request.by, request.at)
            else:
                self.request = request
        if self.request is not None:
            self._stop.ask(self.request.wish.value, hurry=False)


def closing_the_last(wiring: Wiring, store: StateStore, lease: Lease, rollout_id: str, watch: Watch) -> None:
    """Ends the journal of a rollout that was cut short and that nobody went on with, and says so.

    A pipeline that was cancelled begins a new rollout and resumes none. The new one goes on from the fleet as
    it is, so there is nothing left of the old one to go on with. Raises LeaseLost and StateUnavailable.
    """
    fleet, last = wiring.settings.name, store.last_rollout(wiring.settings.name)
    if last is None or last.finished or last.rollout == rollout_id:
        return
    reason = f"rollout {rollout_id} began before this one was resumed"
    store.open_rollout(fleet, last.rollout, lease, wiring.clock).append(
        "end", fleet, {"status": "superseded", "reason": reason}
    )
    text = f"rollout {last.rollout} was cut short and is given up; this one goes on from the fleet as it is"
    watch(Noted(f"{text} (`deployer doctor --leftovers` finds what is left of it)", warning=True))


@contextmanager
def holding(wiring: Wiring, store: StateStore, rollout_id: str, reason: str) -> Iterator[Hold]:
    """Holds the fleet for a rollout. Raises FleetHeld when somebody else has it.

    The fleet is let go of at an orderly end, an error of ours that we understand among them. What is not
    understood may have left things half done, so then the lease stays, and points to `resume`.
    """
    fleet, owner, lasts = wiring.settings.name, this_process(wiring.environment), wiring.settings.state.lease
    hold = Hold(store.acquire(fleet, owner, reason, rollout_id, lasts, wiring.clock))
    wiring.fence.stand_on(hold.lease)
    try:
        with beating(hold.lease, lasts):
            yield hold
    except DeployerError:
        if not hold.keep:
            hold.lease.release()
        raise
    if not hold.keep:
        hold.lease.release()
