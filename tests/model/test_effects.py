"""What moves declare: all of it, without contradiction, and by each class for itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from deployer.model.effects import About, Does, Effect, Needs, Starts, effect_of
from deployer.model.moves import (
    BY_NAME,
    MOVES,
    Attach,
    Drain,
    Launch,
    Move,
    Terminate,
    Wait,
    is_well_formed,
    subject_of,
)

NOTHING = Effect(
    about=About.INSTANCE, does=Does.NOTHING, needs=Needs.NOTHING, starts=Starts.NEVER, begins=False, rank=20
)


@pytest.mark.parametrize("kind", MOVES, ids=lambda kind: kind.__name__)
def test_every_move_declares_what_it_does_and_is_known_by_its_name(kind: type[Move]) -> None:
    assert isinstance(vars(kind)["effect"], Effect)
    assert BY_NAME[kind.__name__] is kind
    assert kind.effect.about.value in kind.__dataclass_fields__


def test_what_raises_capacity_is_carried_out_before_what_lowers_it() -> None:
    ranks = {kind: kind.effect.rank for kind in MOVES if kind.effect.rank is not None}
    assert len(set(ranks.values())) == len(ranks), "no two kinds share a rank"
    raising = [rank for kind, rank in ranks.items() if kind.effect.does & (Does.ADDS | Does.ADMITS)]
    lowering = [rank for kind, rank in ranks.items() if Does.LOWERS in kind.effect.does]
    assert max(raising) < min(lowering)


@pytest.mark.parametrize(
    "wrong",
    [
        {"does": Does.ENDS, "needs": Needs.DRAINED | Needs.SETTLED},
        {"does": Does.ENDS | Does.LOWERS, "needs": Needs.SETTLED},
        {"does": Does.INSTALLS | Does.LOWERS, "needs": Needs.SETTLED},
        {"does": Does.SETS_ASIDE | Does.LOWERS, "needs": Needs.SETTLED | Needs.DRAINED},
        {"does": Does.WITHDRAWS},
        {"does": Does.LOWERS},
        {"does": Does.ADMITS, "needs": Needs.SETTLED},
        {"does": Does.ADDS, "needs": Needs.SETTLED},
        {"does": Does.SHIFTS},
        {"does": Does.LOWERS, "needs": Needs.SETTLED, "about": About.SLOT},
        {"does": Does.FAILS, "about": About.SLOT},
        {"does": Does.FAILS, "rank": None},
        {"begins": True, "rank": None},
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused_where_it_is_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="contradicts itself"):
        replace(NOTHING, **wrong)  # type: ignore[arg-type]


def test_a_class_derived_from_a_move_declares_nothing_and_is_no_move() -> None:
    @dataclass(frozen=True)
    class Standby(Drain):
        """Also enters Standby, which nobody was told."""

    assert effect_of(Drain("i-1")) is Drain.effect
    assert effect_of(Standby("i-1")) is None
    assert is_well_formed(Drain("i-1"))
    assert not is_well_formed(Standby("i-1"))


def test_a_move_is_about_what_it_declares_to_be_about() -> None:
    assert subject_of(Launch("slot-1")) == "slot-1"
    assert subject_of(Attach("i-1")) == subject_of(Terminate("i-1")) == "i-1"
    assert subject_of(Wait("zone a", "because")) == "zone a"
