"""The fence: asked by every change at the moment it is sent, wherever it is sent from.

A lease that is looked at once, before a call, says nothing of the call's later attempts: a process may stand still
between two of them, and meanwhile somebody else takes the fleet over. So the doors to AWS and to hosts ask here,
just before the bytes of each attempt go out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployer.engine.ports import Lease
from deployer.model.errors import DeployerError, LeaseLost

BEATS = 12.0
"""How often the heartbeat's thread asks, in parts of the lease's time. The lease itself writes every third."""


class Fence:
    """Lets changes through as long as the lease lasts. Open while no lease was set: then nothing is held yet.

    Safe to ask from any thread.
    """

    def __init__(self) -> None:
        self._lease: Lease | None = None

    def stand_on(self, lease: Lease) -> None:
        """From here on nothing is sent that this lease does not cover, not even after it was given back."""
        self._lease = lease

    def check(self) -> None:
        """Raises LeaseLost when the lease is gone, StateUnavailable when it ran out and the store is silent.

        One that has only run out, by a laptop that slept, is taken up again if nobody else has.
        """
        if self._lease is None:
            return
        self._lease.heartbeat()
        if not self._lease.still_held():
            raise LeaseLost(
                f"the lease under epoch {self._lease.epoch} is no longer ours, so nothing more is changed; see "
                "`deployer status`, then `deployer resume`"
            )

    @property
    def left(self) -> float | None:
        """Seconds that the lease lasts without another heartbeat; None where none is held."""
        return None if self._lease is None else self._lease.left()

    @property
    def epoch(self) -> int:
        """The epoch of the lease; 0 where none is held."""
        return 0 if self._lease is None else self._lease.epoch

    @property
    def line(self) -> str:
        """Which leases the epoch can be compared with; empty where none is held."""
        return "" if self._lease is None else self._lease.line


@contextmanager
def beating(lease: Lease, ttl: float, wait: Callable[[float], bool] | None = None) -> Iterator[None]:
    """Keeps a lease alive from a thread of its own, which no launch, sleep or import of the others delays.

    It says nothing: that the lease is lost shows wherever it is asked next. `wait` sleeps for that many seconds
    and tells whether to stop; by default until the block ends.
    """
    over = threading.Event()
    sleep = wait or over.wait

    def beat() -> None:
        while not sleep(ttl / BEATS) and not over.is_set():
            try:
                lease.heartbeat()
            except LeaseLost:
                return
            except DeployerError:
                continue  # a store that is silent now is asked again, for as long as the block lasts

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # One that is in the middle of a write of its own is not waited for long: a release comes after it anyway.
        thread.join(timeout=ttl / BEATS)
