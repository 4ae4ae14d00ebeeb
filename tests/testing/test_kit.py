"""The test kit: an example strategy passes it, and no strategy, however wrong, gets past the guard."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployer.model.moves import Drain, Launch, Move, Terminate, Update
from deployer.model.observation import Observation
from deployer.model.policy import Method
from deployer.strategies.rolling import Rolling
from deployer.testing import assert_safe, try_strategy

EXAMPLE = Path(__file__).parents[2] / "examples" / "strategies" / "odd_and_even.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("odd_and_even", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["odd_and_even"] = module
    spec.loader.exec_module(module)
    return module.OddAndEven


def test_the_documented_example_passes_the_kit() -> None:
    assert_safe(example()(step=3), seeds=20)


@dataclass(frozen=True)
class DrainEverything:
    """Takes the whole fleet out of service at once."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        return [Drain(one.id) for _, one in seen.instances()]


@dataclass(frozen=True)
class TerminateUndrained:
    """Terminates, and changes in place, what balancers still send traffic to."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        kind = Terminate if seen.policy.method is Method.RELAUNCH else Update
        return [kind(one.id) for _, one in seen.instances()]


@dataclass(frozen=True)
class ExceedSurge:
    """Launches in every slot, every time it is asked."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        return [Launch(slot.name) for slot in seen.slots]


@dataclass(frozen=True)
class Stranger:
    """Touches instances that are none of the fleet's, beside a proper rollout."""

    def decide(self, seen: Observation) -> Sequence[Move]:
        return [*Rolling().decide(seen), Terminate("i-bystander-0"), Drain("i-of-somebody-else")]


@pytest.mark.parametrize(
    ("strategy", "promise", "method"),
    [
        (DrainEverything(), 1, None),
        (TerminateUndrained(), 4, None),
        (ExceedSurge(), 3, Method.RELAUNCH),
        (Stranger(), 8, None),
    ],
)
def test_a_strategy_that_misbehaves_is_refused_and_does_no_harm(
    strategy: Any, promise: int, method: Method | None
) -> None:
    trial = try_strategy(strategy, seeds=12, method=method)
    assert trial.safe, str(trial)
    assert trial.refused.get(promise, 0) > 0, str(trial)
