"""What a run of many seeds has reached: every move, every fault, every rule of the guard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from deployer.engine.result import Status
from deployer.model.moves import BY_NAME
from deployer.sim.catalogue import FAULTS
from deployer.sim.faults import Fault
from deployer.sim.run import Outcome
from deployer.sim.setup import combinations, places

MOVES = tuple(sorted(name for name, kind in BY_NAME.items() if kind.effect.rank is not None))
"""The moves that a fuzzed rollout must have made, by name."""


KINDS = tuple(
    f"{strategy} {method.value}{place}" for strategy, method in combinations() for place in places(strategy)
)
"""Every strategy with every method it has, wherever it can be carried out."""


@dataclass
class Coverage:
    """Sums over outcomes."""

    seeds: int = 0
    moves: Counter[str] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    calls: int = 0

    def add(self, outcome: Outcome) -> None:
        """Counts one outcome."""
        self.seeds += 1
        self.moves += outcome.moves
        self.faults += Counter({fault: 1 for fault, times in outcome.faults.items() if times})
        self.refusals += outcome.refusals
        self.statuses[outcome.status.value if outcome.status is not None else "none"] += 1
        self.kinds[outcome.setup.kind] += 1
        self.calls += outcome.calls

    def merge(self, other: Coverage) -> None:
        """Adds another worker's sums."""
        self.seeds += other.seeds
        self.moves += other.moves
        self.faults += other.faults
        self.refusals += other.refusals
        self.statuses += other.statuses
        self.kinds += other.kinds
        self.calls += other.calls

    def missing(self) -> list[str]:
        """What was never reached: moves, faults, kinds of rollout and endings by name."""
        moves = [f"move {name}" for name in MOVES if not self.moves[name]]
        faults = [f"fault {fault.value} ({_words(fault)})" for fault in Fault if not self.faults[fault]]
        kinds = [f"rollout {name}" for name in KINDS if not self.kinds[name]]
        wanted = (Status.SUCCEEDED, Status.ROLLED_BACK, Status.FAILED)
        return moves + faults + kinds + [f"ending {s.value}" for s in wanted if not self.statuses[s.value]]

    def lines(self) -> list[str]:
        """The coverage for people."""
        faults = [f"{fault.value:5}  {_words(fault):24} {self.faults[fault]:8,}" for fault in Fault]
        elsewhere = ", ".join(str(one.number) for one in FAULTS if not one.in_twin)
        return [
            "faults, by how many rollouts each befell:",
            *faults,
            f"faults {elsewhere} are not the twin's: see docs/faults.md",
            f"moves: {_listed(self.moves)}",
            f"refused by promise: {_listed(self.refusals)}",
            f"rollouts: {_listed(self.kinds)}",
            f"endings: {_listed(self.statuses)}",
            f"mutating calls: {self.calls:,}",
        ]


def _listed(counter: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{name} {times:,}" for name, times in counter.most_common())


def _words(fault: Fault) -> str:
    return fault.name.lower().replace("_", " ")
