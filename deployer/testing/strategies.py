"""Tries a strategy in simulated rollouts. The engine, the guard and the promises are the real ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deployer.engine.loop import Decides
from deployer.engine.result import Status
from deployer.model.policy import Method
from deployer.sim.run import Outcome, simulate
from deployer.sim.setup import Setup, draw


@dataclass(frozen=True)
class Trial:
    """What came of trying a strategy.

    `broken` are the promises that did not hold, each with its seed: with the guard in place there are none,
    whatever the strategy does. `refused` counts, by promise, the moves that the guard would not let through: a
    good strategy has few. `unfinished` are the seeds of rollouts in fair weather that did not reach the goal.
    """

    rollouts: int
    broken: tuple[str, ...]
    refused: Mapping[int, int]
    unfinished: tuple[int, ...]

    @property
    def safe(self) -> bool:
        """Whether every promise held."""
        return not self.broken

    def __str__(self) -> str:
        refused = ", ".join(f"promise {promise}: {times}" for promise, times in sorted(self.refused.items()))
        lines = [f"{self.rollouts} rollouts, refused: {refused or 'nothing'}"]
        lines += (
            [f"did not reach the goal in fair weather: seeds {list(self.unfinished)}"] if self.unfinished else []
        )
        return "\n".join([*lines, *self.broken])


def try_strategy(
    strategy: Decides, *, seeds: int = 100, method: Method | None = None, faults: bool = True
) -> Trial:
    """Runs `seeds` rollouts with a strategy, each a fleet of its own drawn from its seed.

    `method` keeps to one method, for a strategy that knows only one. Without `faults` the weather is fair, and
    every rollout is expected to reach its goal.
    """
    broken: list[str] = []
    refused: Counter[int] = Counter()
    unfinished: list[int] = []
    tried = 0
    for setup in _setups(strategy, method, faults=faults):
        outcome = simulate(setup)
        tried += 1
        refused += outcome.refusals
        broken += [f"seed {setup.seed}: {violation}" for violation in outcome.violations]
        if not setup.faults and not _arrived(outcome):
            unfinished.append(setup.seed)
        if tried >= seeds:
            break
    return Trial(tried, tuple(broken), dict(refused), tuple(unfinished))


def assert_safe(strategy: Decides, *, seeds: int = 100, method: Method | None = None) -> Trial:
    """Fails with the promises that were broken, or the fair-weather rollouts that never arrived."""
    trial = try_strategy(strategy, seeds=seeds, method=method)
    fair = try_strategy(strategy, seeds=max(seeds // 4, 5), method=method, faults=False)
    if not trial.safe or not fair.safe or fair.unfinished:
        raise AssertionError(f"{trial}\n{fair}")
    return trial


def _setups(strategy: Decides, method: Method | None, *, faults: bool) -> Iterator[Setup]:
    seed = 0
    while True:
        seed += 1
        setup = draw(seed, faults=faults)
        if method is None or setup.policy.method is method:
            shifts = bool(getattr(strategy, "shifts_traffic", False))
            yield replace(setup, own=strategy, split=setup.split and shifts)


def _arrived(outcome: Outcome) -> bool:
    return outcome.status in (Status.SUCCEEDED, Status.NOTHING_TO_DO)
