"""A strategy that breaks, at whatever tick and in whatever way, leaves its fleet whole, free and explained."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.engine.deciding import StrategyFailed, moves_of
from deployer.engine.result import Status
from deployer.model.moves import Drain, Launch, Move, Wait, Weigh
from deployer.model.policy import OnFailure
from deployer.sim.__main__ import complaints
from deployer.sim.broken_strategy import Breakage, Breaks
from deployer.sim.crashes import kinds
from deployer.sim.run import simulate
from deployer.sim.setup import Setup
from tests.builders import old, seen, slot

KINDS: dict[str, Setup] = {name: setup for name, setup in kinds() if not setup.faults}


@pytest.mark.parametrize(
    "name",
    [
        "rolling relaunch",
        "rolling in-place, in a group",
        "blue-green relaunch, in a group",
        "traffic-canary relaunch, by weight",
    ],
)
def test_a_strategy_that_raises_at_any_tick_leaves_the_fleet_whole(name: str) -> None:
    setup = KINDS[name]
    broken: dict[int, object] = {}
    for at in range(1, 400):
        outcome = simulate(replace(setup, breaks=Breaks(Breakage.RAISES, at)))
        if outcome.status is Status.SUCCEEDED:
            break
        found = [str(violation) for violation in outcome.violations]
        if found or outcome.status not in (Status.FAILED, Status.ROLLED_BACK):
            broken[at] = (outcome.status, found)
        assert "KeyError: 'zone'" in (outcome.reason or "")
        assert "broken_strategy.py:" in (outcome.reason or "")
    assert at > 5, "it never got to the ticks that matter"
    assert broken == {}


@given(
    name=st.sampled_from(sorted(KINDS)),
    how=st.sampled_from(Breakage),
    at=st.integers(1, 60),
    stops=st.booleans(),
)
def test_however_a_strategy_breaks_the_fleet_is_whole(name: str, how: Breakage, at: int, stops: bool) -> None:
    setup = KINDS[name]
    policy = replace(setup.policy, on_failure=OnFailure.STOP if stops else OnFailure.ROLLBACK)
    outcome = simulate(replace(setup, policy=policy, breaks=Breaks(how, at)))
    assert [str(violation) for violation in outcome.violations] == []
    if outcome.status is not Status.SUCCEEDED:
        assert f"strategy {setup.strategy}" in (outcome.reason or "")
        assert [text for text in complaints(outcome) if "fair weather" not in text] == []


HERE = seen([slot("slot-1", old("i-1"))])


@pytest.mark.parametrize(
    "moves",
    [
        None,
        5,
        "drain",
        ["drain i-1"],
        [Drain],
        [Drain(5)],  # type: ignore[arg-type]
        [Launch(["slot-1"])],  # type: ignore[arg-type]
        [Weigh({"a": 1})],  # type: ignore[arg-type]
        [Weigh((("a", 1000),))],
        [Weigh((("a", -1),))],
        [Wait("slot-1", None)],  # type: ignore[arg-type]
        [Wait("slot-1", "because", until="later")],  # type: ignore[arg-type]
        iter([Drain("i-1"), object()]),
    ],
)
def test_what_is_not_a_list_of_moves_is_told_with_the_place_of_the_strategy(moves: object) -> None:
    with pytest.raises(StrategyFailed, match=r"strategy mine (failed at|\().*test_broken_strategies\.py:\d+"):
        moves_of("mine", lambda _seen: moves, HERE)  # type: ignore[arg-type, return-value]


def test_an_exception_that_cannot_be_printed_is_told_by_its_kind() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def decide(_seen: object) -> list[Move]:
        raise MuteError

    with pytest.raises(StrategyFailed, match="MuteError; nothing new is started"):
        moves_of("mine", decide, HERE)


def test_moves_of_every_kind_are_let_through_in_their_order() -> None:
    wanted: list[Move] = [Wait("slot-1", "because", 5), Launch("slot-1"), Drain("i-1"), Weigh((("a", 1), ("b", 0)))]
    assert moves_of("mine", lambda _seen: iter(wanted), HERE) == wanted  # type: ignore[arg-type, return-value]
