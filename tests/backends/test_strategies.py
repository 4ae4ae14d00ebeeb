"""Strategies by name, from an entry point or from the user's own repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.model.capacity import Amount
from deployer.model.errors import UsageError
from deployer.plugins.family import STRATEGY
from deployer.plugins.strategies import strategy_for
from deployer.strategies.canary import Canary
from deployer.strategies.rolling import Rolling

OWN = """
from __future__ import annotations
from dataclasses import dataclass
from deployer.strategies.rolling import slide

@dataclass(frozen=True)
class Nightly:
    pause: float = 0.0
    def decide(self, seen):
        return slide(seen, 1)
"""


def test_the_built_in_strategies_are_found_by_entry_point() -> None:
    assert {"rolling", "one-at-a-time", "blue-green", "canary", "zone-by-zone"} <= set(STRATEGY.names())


def test_settings_reach_the_strategy_as_it_declares_them() -> None:
    canary = strategy_for("canary", {"steps": ["1", "50%"], "settings": {"soak": "1m"}}, Path())
    assert canary == Canary((Amount(1), Amount(50, percent=True)), soak=60.0)
    assert strategy_for("rolling", {"batch": ["2"], "steps": ["1"]}, Path()) == Rolling((Amount(2),))


def test_an_unknown_strategy_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(
        UsageError,
        match=r'is "roling", which is no strategy.*; did you mean "rolling"\?',
    ):
        strategy_for("roling", {}, Path())


def test_a_setting_that_the_strategy_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=r"strategy canary: settings\.speed is not a setting; known: soak"):
        strategy_for("canary", {"settings": {"speed": 3}}, Path())


def test_a_strategy_of_the_users_own_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text(OWN)
    own = strategy_for("nightly.py:Nightly", {"settings": {"pause": "5s"}}, tmp_path)
    assert type(own).__name__ == "Nightly"
    assert vars(own) == {"pause": 5.0}


@pytest.mark.parametrize(
    ("text", "where", "complaint"),
    [
        ("", "gone.py:Own", "there is no file"),
        ("x = 1", "own.py:Own", "has no class Own"),
        ("class Own: pass", "own.py:Own", "is not a dataclass"),
        ("raise RuntimeError('boom')", "own.py:Own", "could not be loaded: boom"),
    ],
)
def test_a_file_that_is_no_strategy_is_refused_in_one_sentence(
    tmp_path: Path, text: str, where: str, complaint: str
) -> None:
    if "gone" not in where:
        (tmp_path / "own.py").write_text(text)
    with pytest.raises(UsageError, match=complaint):
        strategy_for(where, {}, tmp_path)
