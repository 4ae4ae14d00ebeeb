"""A wave: one piece of work on many instances, as many at once as the minimum of healthy hosts allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from deployer.lab.codedeploy.health import Standing, next_hosts
from deployer.lab.codedeploy.records import Target

_LOOK = 0.05


class WaveEnd(Enum):
    """How a wave ended. STUCK: hosts are left that may not begin, because too many others failed."""

    THROUGH = "through"
    STUCK = "stuck"
    STOPPED = "stopped"


@dataclass
class Wave:
    """The work of one phase. `work` runs in a thread for each target and says whether it went well.

    `zone_least` holds the minimum of every zone, where the configuration is zonal.
    """

    targets: Mapping[str, Target]
    least: int
    work: Callable[[Target], bool]
    stopping: Callable[[], bool]
    zone_least: Mapping[str, int] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep

    def run(self, order: Sequence[str]) -> WaveEnd:
        """Works on these targets in this order. Returns when nothing runs any more."""
        while True:
            begun = [] if self.stopping() else self._next(order)
            for name in begun:
                self._begin(self.targets[name])
            standings = [self.targets[name].standing for name in order]
            if Standing.RUNNING not in standings:
                if Standing.PENDING not in standings:
                    return WaveEnd.THROUGH
                if self.stopping():
                    return WaveEnd.STOPPED
                if not begun:
                    return WaveEnd.STUCK
            self.sleep(_LOOK)

    def _next(self, order: Sequence[str]) -> list[str]:
        chosen = next_hosts(order, [target.health() for target in self.targets.values()], self.least)
        for zone, least in self.zone_least.items():
            inside = [target.health() for target in self.targets.values() if target.zone == zone]
            here = next_hosts([name for name in order if self.targets[name].zone == zone], inside, least)
            chosen = [name for name in chosen if self.targets[name].zone != zone or name in here]
        return chosen

    def _begin(self, target: Target) -> None:
        target.standing = Standing.RUNNING

        def go() -> None:
            done = False
            try:
                done = self.work(target)
            finally:
                target.standing = Standing.SUCCEEDED if done else Standing.FAILED

        threading.Thread(target=go, name=f"codedeploy-{target.instance}", daemon=True).start()
