"""The jobs of simulated workers: each fetches one after another from its queue while it takes work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from deployer.sim.machines import Machine
from deployer.sim.time import VirtualTime

MOST_AT_ONCE = 3
_EAGER = 0.7
"""The share of looks at the queue that bring a worker a message."""
_LOOKS_FOR_MORE = (0.5, 6.0)
"""Seconds between two messages that a worker fetches."""


@dataclass
class Jobs:
    """Who works on how many jobs. `longest` is the longest that one lasts, in seconds."""

    random: Random
    time: VirtualTime
    longest: float
    running: dict[str, int] = field(default_factory=dict)
    """Instance → jobs under way on it."""
    finished: int = 0
    cut_off: int = 0
    """Ended in the middle, whoever ended them."""

    def begin(self, machines: Callable[[], list[Machine]]) -> None:
        """From now on there is always work, and whoever takes some gets it."""
        for machine in machines():
            if self._takes(machine) and self.running.get(machine.id, 0) < MOST_AT_ONCE:
                self._fetch(machine)
        self.time.after(self.random.uniform(*_LOOKS_FOR_MORE), lambda: self.begin(machines))

    def of(self, machine: Machine) -> int:
        """How many jobs it works on now."""
        return self.running.get(machine.id, 0)

    def stopped(self, machine: Machine) -> None:
        """What ran on it has ended: so have its jobs."""
        self.cut_off += self.running.pop(machine.id, 0)

    def _takes(self, machine: Machine) -> bool:
        takes = machine.healthy and not machine.withdrawn and not machine.fate.starved
        return takes and self.random.random() < _EAGER

    def _fetch(self, machine: Machine) -> None:
        self.running[machine.id] = self.of(machine) + 1
        version = machine.app.version
        lasts = self.longest * self.random.choice((0.05, 0.1, 0.3, 0.6, 1.0)) * self.random.uniform(0.3, 0.98)
        self.time.after(lasts, lambda: self._finish(machine, version))

    def _finish(self, machine: Machine, version: int) -> None:
        if machine.app.version == version and self.of(machine):
            self.running[machine.id] -= 1
            machine.served += 1
            self.finished += 1
