"""Moves in the journal: written by their name, read back by what they declare."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from deployer.engine.move_records import came_out, intended, move_as_json
from deployer.engine.ports import LaunchOrder, Record
from deployer.engine.replay import replay
from deployer.model.errors import PreflightRefused
from deployer.model.moves import (
    Attach,
    Drain,
    GiveUp,
    LameDuck,
    Launch,
    Move,
    SetAside,
    Stage,
    Terminate,
    Update,
    Weigh,
)
from deployer.rollout.group.balance import balance_of
from tests.builders import NOW, planned

EVERY: tuple[Move, ...] = (
    Launch("slot-0", attach=False),
    Attach("i-1"),
    Drain("i-1"),
    LameDuck("i-1"),
    Stage("i-1"),
    Update("i-1"),
    Terminate("i-1"),
    SetAside("i-1"),
    GiveUp("i-1", "sick"),
    Weigh((("tg/a", 1), ("tg/b", 0))),
)


def intent(*moves: dict[str, object]) -> Record:
    """What the journal has of these moves before they are carried out."""
    return Record(7, 0.0, "r-1", 1, "intent", "tick", {"moves": list(moves)})


@pytest.mark.parametrize("move", EVERY, ids=lambda move: type(move).__name__)
def test_every_move_is_read_back_as_what_it_declares(move: Move) -> None:
    (found,) = intended(intent(move_as_json(move)))
    assert found.effect is type(move).effect
    if not isinstance(move, Weigh):
        assert found.subject == getattr(move, move.effect.about.value)


@pytest.mark.parametrize("move", EVERY, ids=lambda move: type(move).__name__)
def test_a_slot_is_in_flight_after_a_crash_where_the_move_says_so(move: Move) -> None:
    memory = replay([intent(move_as_json(move))], planned("i-1"), NOW)
    assert (memory.slot("slot-0").begun_at is not None) is move.effect.begins


def test_a_move_of_a_newer_version_stops_whoever_would_go_on_without_knowing_what_it_did() -> None:
    standby = {"move": "Standby", "instance": "i-1"}
    outcome = Record(8, 0.0, "r-1", 1, "outcome", "Standby", {"move": standby, "outcome": "done"})
    for record in (intent(standby), outcome):
        with pytest.raises(PreflightRefused, match=f"record {record.seq} .* rollout r-1 is of a move 'Standby'"):
            replay([record], planned("i-1"), NOW)
        with pytest.raises(PreflightRefused, match="Standby"):
            balance_of([record], frozenset({"i-1"}))


def test_what_a_bake_records_in_the_same_journal_is_no_move_of_the_fleet() -> None:
    step = {"move": "bake:LaunchBuilder", "subject": "builder"}
    record = Record(3, 0.0, "r-1", 1, "outcome", "bake", {"move": step, "outcome": "done", "instance": "i-9"})
    assert came_out(record) is None
    assert not replay([record], planned("i-1"), NOW).slots


def test_a_launch_order_of_a_newer_version_is_read_without_what_is_not_known_of_it() -> None:
    order = LaunchOrder("slot-0", "token", "ami-2", "a", "subnet-a", "i-1", {})
    record = Record(2, 0.0, "r-1", 1, "intent", "launch", {"orders": [{**asdict(order), "warm_pool": True}]})
    assert replay([record], planned("i-1"), NOW).slot("slot-0").pending == order
