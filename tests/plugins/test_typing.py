"""A plugin's settings are what its annotations say, or one sentence that names the key and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.model.capacity import Amount
from deployer.plugins.factory import Use, make, problems_in
from deployer.plugins.family import HOOK, STRATEGY
from deployer.plugins.faults import PluginRefused
from deployer.plugins.strategies import strategy_for

OWN = """
from __future__ import annotations
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import ClassVar, Literal
from deployer.model.capacity import Amount
from deployer.model.plugin_fields import Arguments, Seconds, SomeInstances

class Colour(Enum):
    RED = "red"
    BLUE = "blue"

@dataclass(frozen=True)
class Own:
    counts: ClassVar[bool] = True
    number: int = 1
    ratio: float = 0.5
    wait: Seconds = 0.0
    text: str = ""
    flag: bool = False
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "fast"
    some: SomeInstances = Amount(1)
    sizes: tuple[Amount, ...] = ()
    numbers: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    tree: Mapping[str, object] = field(default_factory=dict)
    nickname: str | None = None
    script: Path | None = None
    command: Arguments = ("true",)
    clock: Callable[[], float] = float

    def run(self, call, doors):
        return None
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own")
    (path / "own.py").write_text(OWN)
    return path


def made(folder: Path, **settings: object) -> object:
    return make(Use(HOOK, "own.py:Own", settings, ("hooks", 0), "use"), folder)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("number", 3, 3),
        ("ratio", 1, 1.0),
        ("ratio", -0.25, -0.25),
        ("ratio", "2m", 120.0),
        ("wait", "250ms", 0.25),
        ("text", "", ""),
        ("flag", True, True),
        ("mode", "slow", "slow"),
        ("some", "50%", Amount(50, percent=True)),
        ("some", 2, Amount(2)),
        ("sizes", [1, "10%", "0%"], (Amount(1), Amount(10, percent=True), Amount(0, percent=True))),
        ("sizes", "10%", (Amount(10, percent=True),)),
        ("numbers", [1, 2], (1, 2)),
        ("labels", {"a": "b"}, {"a": "b"}),
        ("limits", {"a": 3}, {"a": 3}),
        ("tree", {"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}),
        ("nickname", "x", "x"),
        ("command", "./a --b 'c d'", ("./a", "--b", "c d")),
        ("command", ["./a", "b"], ("./a", "b")),
    ],
)
def test_a_setting_is_read_as_its_field_is_declared(folder: Path, name: str, value: object, read: object) -> None:
    got = getattr(made(folder, **{name: value}), name)
    assert got == read
    assert type(got) is type(read)


def test_an_enum_is_a_member_and_a_path_is_below_the_settings(folder: Path) -> None:
    own = made(folder, colour="blue", colours=["red", "blue"], script="a/b.sh")
    assert own.colour.name == "BLUE"  # type: ignore[attr-defined]
    assert [one.name for one in own.colours] == ["RED", "BLUE"]  # type: ignore[attr-defined]
    assert own.script == folder / "a/b.sh"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("number", "two", 'settings.number is "two"; expected a whole number'),
        ("number", True, "settings.number is true; expected a whole number"),
        ("number", 1.0, "settings.number is 1.0; expected a whole number"),
        ("ratio", "much", 'settings.ratio is "much"; expected a number, or a duration such as "30s"'),
        ("ratio", float("nan"), "settings.ratio is nan; expected a number"),
        ("wait", -5, 'settings.wait is -5; expected a duration such as "30s"'),
        ("text", 3, "settings.text is 3; expected a text"),
        ("flag", 1, "settings.flag is 1; expected true or false"),
        ("colour", "green", 'settings.colour is "green"; expected one of "red", "blue"'),
        ("mode", "slwo", 'settings.mode is "slwo"; expected one of "fast", "slow"'),
        ("some", "0%", "settings.some is '0%', with which nothing would ever move"),
        ("sizes", ["1", "fast"], "settings.sizes is 'fast'; expected a count"),
        ("numbers", [1, "2"], 'settings.numbers is [1, "2"]; expected a list, each of it a whole number'),
        ("labels", {"a": 1}, "settings.labels is { a = 1 }; expected a table, each value a text"),
        ("labels", "a", 'settings.labels is "a"; expected a table'),
        ("command", "a 'b", 'settings.command is "a \'b"; expected a command such as'),
        ("clock", "now", "settings.clock is declared as Callable"),
        ("colr", "red", 'settings.colr is not a setting; did you mean "colour"?'),
        ("counts", False, "settings.counts is not a setting"),
        ("text", "\x1b[31m", None),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_sentence(
    folder: Path, name: str, value: object, said: str | None
) -> None:
    if said is None:
        made(folder, **{name: value})
        return
    with pytest.raises(PluginRefused) as refused:
        made(folder, **{name: value})
    assert str(refused.value).startswith("hook own.py:Own: ")
    assert said.replace("Callable", "") in str(refused.value).replace("collections.abc.Callable", "")
    assert "\n" not in str(refused.value)


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    with pytest.raises(PluginRefused) as refused:
        made(folder, number="two", colour="green", flag=True)
    assert [problem.key for problem in refused.value.problems] == [("settings", "number"), ("settings", "colour")]


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
BUILT_IN = [(family, name) for family in (STRATEGY, HOOK) for name in family.names()]


@given(st.sampled_from(BUILT_IN), st.data())
def test_whatever_stands_in_the_settings_of_a_built_in_it_is_made_or_refused(
    which: tuple[object, str], data: st.DataObject
) -> None:
    family, name = which
    keys = st.sampled_from(["soak", "keep", "steps", "batch", "paths", "status", "url", "names", "headers", "at"])
    settings = data.draw(st.dictionaries(keys | st.text(max_size=5), TREES, max_size=4))
    use = Use(family, name, settings, ("rollout",), "strategy")  # type: ignore[arg-type]
    assert all(problem.key and problem.rest.isprintable() for problem in problems_in([use], Path()))


HEAD = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
CLASS = "@dataclass\nclass Own:\n    {}\n    def {}(self, *_): ..."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import gone_for_good", "could not be loaded: No module named 'gone_for_good'"),
        ("raise SystemError('boom')", "could not be loaded: boom"),
        (CLASS.format("a: Unknown = 1", "run"), "whose annotations cannot be read: name 'Unknown' is not defined"),
        (CLASS.format("a: complex", "run"), "has no a, and can have none: it is declared as complex"),
        (CLASS.format("a: int = 1", "judge"), "no method `run`; a gate belongs under [[fleet.NAME.gates]]"),
        (CLASS.format("def __post_init__(self): raise KeyError('x')", "run"), "is refused by own.py:Own: 'x'"),
        ("class Own:\n    def run(self, c, d): ...", "which is not a dataclass"),
        ("Own = 3", "has no class Own"),
    ],
)
def test_a_file_that_holds_no_plugin_is_refused_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.py").write_text(HEAD + text)
    with pytest.raises(PluginRefused) as refused:
        made(tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["own.py:", "own.py:a b", "own.py:1x", "nowhere/own.py:Own", "own.pyc.py:Own"])
def test_a_path_that_leads_to_no_class_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(PluginRefused, match=r"is \"" + name):
        make(Use(HOOK, name, {}, ("hooks", 0), "use"), folder)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("canary", {"steps": ["1", "50%"]}, r"settings\.steps belongs one level up"),
        ("rolling", {"batch": "50%"}, r"settings\.batch belongs one level up"),
        ("blue-green", {"keep": {"a": 1}}, r"settings\.keep is { a = 1 }; expected a duration"),
        ("canary", {"soak": -1}, r"settings\.soak is -1; expected a duration"),
        ("one-at-a-time", {"soak": 1}, r"settings\.soak is not a setting; there are none"),
    ],
)
def test_a_slip_in_a_strategys_settings_is_refused_where_it_is_made(
    name: str, settings: Mapping[str, object], said: str
) -> None:
    with pytest.raises(PluginRefused, match=said):
        strategy_for(name, {"settings": settings}, Path())


def test_a_strategy_whose_batch_is_something_else_takes_it_from_its_own_settings(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Own:\n    batch: int\n    def decide(self, seen): ..."
    )
    own = strategy_for("own.py:Own", {"batch": ["25%"], "settings": {"batch": 3}}, tmp_path)
    assert vars(own) == {"batch": 3}
