"""`make bench`: prints each ratio with its bound, and ends with 1 when one is exceeded."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.engine.guard import judge
from deployer.model.capacity import Limits
from deployer.model.fleet import Balancer, BalancerKind, Instance, InstanceState, Release, Target, TargetState
from deployer.model.observation import Answer, Observation, Seen, Slot
from deployer.model.policy import Policy
from deployer.strategies.rolling import Rolling

RUNS = 9


@dataclass(frozen=True)
class Ratio:
    """One comparison: how often the second thing's time the first takes, and the most it may be."""

    name: str
    value: float
    bound: float

    def __str__(self) -> str:
        verdict = "ok  " if self.value <= self.bound else "SLOW"
        return f"{verdict} {self.value:7.2f}  (at most {self.bound:g})  {self.name}"


def seconds(action: Callable[[], object], runs: int = RUNS) -> float:
    """The median time of an action."""
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def command(*line: str) -> Callable[[], object]:
    """Runs a program and throws its output away."""
    return lambda: subprocess.run(line, check=True, capture_output=True)


def fleet(size: int) -> Observation:
    """A fleet in service, with a tenth of it in flight."""
    balancer = Balancer("tg", "shop", BalancerKind.ALB, 8080)
    healthy = {balancer.id: Target(TargetState.HEALTHY)}
    slots = tuple(
        Slot(
            f"slot-{n}",
            "abc"[n % 3],
            (
                Seen(
                    Instance(f"i-{n}", InstanceState.RUNNING, "abc"[n % 3], "ami-1", "t3", "127.0.0.9"),
                    healthy,
                    since=0.0,
                    answer=Answer(ok=True, at=0.0, release="1"),
                    in_service_since=0.0,
                ),
            ),
            begun=n % 10 == 0,
        )
        for n in range(size)
    )
    limits = Limits(size, size // 10, size - size // 10, size // 10)
    return Observation(1.0, Release("2", "", "ami-2"), Release("1"), Policy(), limits, (balancer,), slots)


def decide(size: int) -> Callable[[], object]:
    """One decision and its judgement; the fleet is made anew each time, for observations remember their counts."""
    return lambda: (seen := fleet(size), judge(seen, Rolling().decide(seen)))


def measured() -> Sequence[Ratio]:
    """Every ratio."""
    tools = Path(sys.executable).parent
    start = seconds(command(str(tools / "deployer"), "--help")) / seconds(command(str(tools / "aws"), "--version"))
    growth = seconds(decide(1000)) / seconds(decide(100))
    return (
        Ratio("`deployer --help` in terms of `aws --version`", start, 0.6),
        Ratio("deciding for 1,000 instances in terms of 100: linear is 10", growth, 20.0),
    )


def main() -> int:
    """Prints the ratios."""
    ratios = measured()
    for ratio in ratios:
        print(ratio)
    return int(any(ratio.value > ratio.bound for ratio in ratios))


if __name__ == "__main__":
    sys.exit(main())
