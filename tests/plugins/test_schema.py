"""The JSON Schema and the loader agree on what a settings file may hold; jsonschema is the independent judge."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from deployer.config import kinds, plugin_kinds
from deployer.config.document import SCHEMA_FILE, SCHEMA_LINE, Document, Problem, read_document
from deployer.config.hooks import GateSettings, HookSettings
from deployer.config.setting import sections_of, settings_of
from deployer.config.settings import AwsSettings, FleetSettings, StateSettings
from deployer.config.starter import Draft, starter
from deployer.lab.home import Facts, LabHome, Phase, Process
from deployer.lab.settings_file import settings_text
from deployer.plugins.blueprint import blueprint_of
from deployer.plugins.check import check
from deployer.plugins.family import GATE, HOOK, STRATEGY, Family
from deployer.plugins.schema import file_schema
from tests.cli.conftest import Deployer

ROOT = Path(__file__).parents[2]
SCHEMA = file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
BLOCK = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_it_is_a_valid_schema_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def examples() -> Iterator[tuple[str, str]]:
    """Every settings file of the repository, and every one in its pages that begins with a fleet."""
    for path in sorted(ROOT.glob("examples/**/deployer.toml")):
        yield str(path.relative_to(ROOT)), path.read_text()
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]
    for page in sorted(pages):
        for number, block in enumerate(BLOCK.findall(page.read_text())):
            if "find" in block and "[fleet." in block:
                yield f"{page.relative_to(ROOT)}#{number}", block
    yield (
        "deployer init",
        starter(Draft("web", tags={"Service": "shop"}, balancers=("shop-web",), port=80, alarms=("5xx",))),
    )
    facts = Facts("lab", next(iter(Phase)), Process(1, 0.0), app_port=8080, ssh_port=2222)
    yield "deployer lab up", settings_text(LabHome(Path("/nowhere")), facts, Path("/bundles"), "2")


@pytest.mark.parametrize(("place", "text"), [pytest.param(*one, id=one[0]) for one in examples()])
def test_every_example_is_taken_by_schema_and_loader(place: str, text: str) -> None:
    table = tomllib.loads(text)
    assert [error.message for error in VALIDATOR.iter_errors(table)] == []
    assert [problem for problem in check(Document(ROOT / "x.toml", table)).problems if not _by_path(problem)] == []


def _by_path(problem: Problem) -> bool:
    """A plugin of the reader's own, in an example of a page."""
    return "there is no file" in problem.rest


FIND = 'find = { asg = "a" }\n'
WRONG = [
    "",
    "[flet.web]\n",
    "[fleet]\n",
    "[fleet.web]\n",
    "fleet = 3\n",
    "[fleet.web]\nfind = {}\n",
    '[fleet.web]\nfind = { asg = "a", instances = ["i-1"] }\n',
    '[fleet.web]\nfind = { instances = ["web-1"] }\n',
    "[fleet.web]\nfind = { tags = {} }\n",
    *(
        f"[fleet.web]\n{FIND}{rest}\n"
        for rest in (
            "hooks = 3",
            "[fleet.web.rollout]\nbacth = 2",
            '[fleet.web.rollout]\nbatch = "0%"',
            '[fleet.web.rollout]\nbatch = "101%"',
            "[fleet.web.rollout]\nbatch = 1.5",
            "[fleet.web.rollout]\nbatch = []",
            '[fleet.web.rollout]\nsoak = "soon"',
            "[fleet.web.rollout]\nsoak = -1",
            '[fleet.web.rollout]\nmethod = "relunch"',
            '[fleet.web.rollout]\nstrategy = "roling"',
            "[fleet.web.rollout]\nkeep_failed = 1",
            '[fleet.web.rollout]\nlame_duck = "a \'b"',
            '[fleet.web.rollout]\nlame_duck = " "',
            '[fleet.web.rollout]\nstrategy = "canary"\nsettings = { steps = [1] }',
            '[fleet.web.rollout]\nstrategy = "blue-green"\nsettings = { keep = { a = 1 } }',
            '[fleet.web.rollout]\nsettings = { batch = "50%" }',
            "[fleet.web.ssh]\nport = 70000",
            '[state]\nstore = "ftp://x"',
            "[[fleet.web.hooks]]\nat = 'before-rollout'",
            "[[fleet.web.hooks]]\nrun = 'x'",
            "[[fleet.web.hooks]]\nat = 'before-rollout'\nrun = 'x'\nurl = 'http://x'",
            "[[fleet.web.hooks]]\nat = 'throughout'\nrun = 'x'",
            "[[fleet.web.hooks]]\nat = 'before-rollout'\nuse = 'alarms'",
            "[[fleet.web.hooks]]\nat = 'before-rollout'\nuse = 'sns'",
            "[[fleet.web.hooks]]\nat = 'before-rollout'\nuse = 'smoke_test'\nsettings = { status = 99 }",
            "[[fleet.web.gates]]\nat = 'before-drain'\nuse = 'approval'",
            "[[fleet.web.gates]]\nat = 'after-step'\nuse = 'metrik'",
            "[[fleet.web.gates]]\nat = 'after-step'\nuse = 'alarms'\nsettings = { names = [] }",
            "[[fleet.web.gates]]\nat = 'after-step'\nuse = 'alarms'\nsettings = { names = ['a'], ok = 'maybe' }",
            "[[fleet.web.gates]]\nat = 'after-step'\nrun = 'x'\nsettings = { command = ['y'] }",
        )
    ),
]


@pytest.mark.parametrize("text", WRONG)
def test_every_wrong_file_is_refused_by_schema_and_loader(text: str) -> None:
    table = tomllib.loads(text)
    assert not VALIDATOR.is_valid(table)
    assert check(Document(ROOT / "x.toml", table)).problems


# -- property: for any file, both say the same ------------------------------------------------------------------

ODD = st.sampled_from(
    ["", " ", "x", "0", "0%", "00%", "007%", "100%", "101%", " 5% ", "1h30m", "5", "5.5s", "-1", "a 'b", "\\", "''",
     "\x00", "\x7f", "é", "own.py:Own", "true", "http://x", "i-1", "ami-1", "eu-west-1", 0, 1, -1, 99, 600, 70000,
     10**7, 0.5, -0.5, 1e9, True, False, [], [1], ["a"], [""], [[1]], {}, {"a": 1}, {"a": "b"}]
)  # fmt: skip


ASCII = st.characters(codec="ascii")
DURATIONS = st.sampled_from(["30s", "1h30m", "250ms", 5, 7.5, "90"])
COMMANDS = st.sampled_from(["./a b", ["./a"], 'a \'b c\' "d\\"e"', "a\\ b"])
TABLES = st.dictionaries(st.sampled_from("ab"), st.just("x"), min_size=1, max_size=2)
PATHS = st.sampled_from(["a/b", "x"])
GOOD: Mapping[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    kinds.Text: lambda kind: st.from_regex(kind.pattern, fullmatch=True, alphabet=ASCII),
    kinds.Flag: lambda _: st.booleans(),
    kinds.Count: lambda kind: st.integers(kind.least, kind.most),
    kinds.Duration: lambda _: DURATIONS,
    kinds.Share: lambda _: st.sampled_from([1, 3, "25%", "100%", "7"]),
    kinds.Shares: lambda kind: good(kind.of) | st.lists(good(kind.of), min_size=1, max_size=3),
    kinds.Choice: lambda kind: st.sampled_from([member.value for member in kind.among or kind.of]),
    kinds.Plugin: lambda kind: st.sampled_from(sorted(kind.names())),
    kinds.Texts: lambda kind: st.lists(good(kind.item), max_size=2),
    kinds.Tags: lambda _: TABLES,
    kinds.Table: lambda _: st.just({}),
    kinds.Command: lambda _: COMMANDS,
    kinds.File: lambda _: PATHS,
    plugin_kinds.Words: lambda _: PATHS,
    plugin_kinds.Whole: lambda _: st.integers(-3, 300),
    plugin_kinds.Number: lambda _: DURATIONS,
    plugin_kinds.Word: lambda kind: st.sampled_from(kind.among),
    plugin_kinds.Several: lambda kind: good(kind.item) | st.lists(good(kind.item), min_size=kind.least, max_size=2),
    plugin_kinds.Named: lambda _: TABLES,
    plugin_kinds.Free: lambda _: st.just({}),
}


def good(kind: object) -> st.SearchStrategy[Any]:
    """Values of a kind, those near its limits among them."""
    return GOOD[type(kind)](kind)


def value(kind: object) -> st.SearchStrategy[Any]:
    """One of its kind, or now and then an odd one."""
    return st.integers(0, 90).flatmap(lambda dice: ODD if dice == 0 else good(kind))


@st.composite
def section(draw: st.DrawFn, of: type, most: int = 4) -> dict[str, Any]:
    """Some settings of a section, and its tables; now and then one that there is not."""
    known = {name: setting.kind for name, setting in settings_of(of).items()}
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=most, unique=True)) if known else []
    table = {name: draw(value(known[name])) for name in names}
    for name, inner in sections_of(of).items():
        if draw(st.integers(0, 2)) == 0:
            table[name] = draw(section(inner))
    if draw(st.integers(0, 90)) == 0:
        table["strange"] = 1
    return table


@st.composite
def own_settings(draw: st.DrawFn, plugin: type[Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Settings of a plugin's own: what it needs most of the time, and some of the rest."""
    fields = blueprint_of(plugin).without(without).fields
    chosen = [one for one in fields if draw(st.integers(0, 59)) < (59 if one.required else 15)]
    return {one.name: draw(value(one.kind)) for one in chosen}


def members(family: Family) -> list[str]:
    """The plugins that belong to a family."""
    return [name for name in family.names() if hasattr(family.point(name).load(), family.method)]  # type: ignore[union-attr]


@st.composite
def hung_in(draw: st.DrawFn, of: type, family: Any) -> dict[str, Any]:
    """A hook or a gate."""
    points = [member.value for member in settings_of(of)["at"].kind.among]  # type: ignore[attr-defined]
    table = draw(section(of, most=2))
    for form in ("run", "url", "use"):
        table.pop(form, None)
    table["at"] = draw(st.sampled_from(points))
    form = draw(st.sampled_from(["run", "url", "use", "use", "use"]))
    name = {"run": "command", "url": "webhook"}.get(form) or draw(st.sampled_from(members(family)))
    table[form] = {"run": "./a", "url": "http://x/"}.get(form, name)
    point = family.point(name)
    handed = {"run": ("command",), "url": ("url",)}.get(form, ())
    if any(one.required for one in blueprint_of(point.load()).fields) or draw(st.booleans()):
        table["settings"] = draw(own_settings(point.load(), handed))
    return table


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A whole file of one fleet."""
    fleet = draw(section(FleetSettings))
    way = draw(st.sampled_from([{"asg": "a"}, {"tags": {"a": "b"}}, {"instances": ["i-1"]}]))
    fleet["find"] = {**way, **({"instances": []} if draw(st.integers(0, 30)) == 0 else {})}
    rollout = fleet.get("rollout")
    if isinstance(rollout, dict):
        name = rollout.get("strategy", "rolling")
        point = STRATEGY.point(name) if isinstance(name, str) else None
        if point is not None and draw(st.booleans()):
            rollout["settings"] = draw(own_settings(point.load()))
    fleet["hooks"] = draw(st.lists(hung_in(HookSettings, HOOK), max_size=2))
    fleet["gates"] = draw(st.lists(hung_in(GateSettings, GATE), max_size=2))
    file = {"fleet": {"web": fleet}}
    for name, of in (("state", StateSettings), ("aws", AwsSettings)):
        if draw(st.integers(0, 3)) == 0:
            file[name] = draw(section(of))
    return file


def beyond_a_schema(problem: Problem) -> bool:
    """What no type says: a plugin's own judgement, two of one name, a file that is not there, a lease in text, and
    that requests are counted in one way where some are asked for, and what belongs together of a source of work."""
    told = ("how requests are counted", "has counter and log", "expected a counter")
    work = ("and no source;", "nothing else tells", "and its like are", "is RabbitMQ's", "the workers fetch from")
    parts = (
        "give each its own",
        "there is no file",
        'at least "5s"',
        "may be 5 s old",
        "1s or longer",
        *told,
        *work,
    )
    return problem.by_plugin or any(part in problem.rest for part in parts)


@settings(max_examples=100)
@given(files())
def test_for_any_file_schema_and_loader_say_the_same(file: Mapping[str, Any]) -> None:
    refused = [
        problem for problem in check(Document(ROOT / "x.toml", file)).problems if not beyond_a_schema(problem)
    ]
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(file)]
    assert bool(errors) == bool(refused), (errors, refused)


# -- where it is written ------------------------------------------------------------------------------------------


def test_the_command_prints_it_and_writes_it(deployer: Deployer, tmp_path: Path) -> None:
    assert json.loads(deployer("schema").out) == SCHEMA
    assert deployer("schema", "--write").code == 0
    assert json.loads((tmp_path / SCHEMA_FILE).read_text()) == SCHEMA
    assert deployer("schema", "--write", "other.json").code == 0
    assert (tmp_path / "other.json").read_text() == (tmp_path / SCHEMA_FILE).read_text()
    ended = deployer("schema", "--write", "gone/x.json")
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_init_writes_it_beside_the_settings_which_name_it_in_their_first_line(
    deployer: Deployer, tmp_path: Path
) -> None:
    (tmp_path / "deployer.toml").unlink()
    assert deployer("init").code == 0
    assert (tmp_path / "deployer.toml").read_text().startswith(SCHEMA_LINE + "\n")
    named = tmp_path / SCHEMA_LINE.removeprefix("#:schema ")
    assert json.loads(named.read_text()) == SCHEMA
    assert check(read_document(tmp_path / "deployer.toml")).problems == ()


def test_init_leaves_a_schema_that_is_there_as_it_is(deployer: Deployer, tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").unlink()
    (tmp_path / SCHEMA_FILE).write_text("{}")
    assert deployer("init").code == 0
    assert (tmp_path / SCHEMA_FILE).read_text() == "{}"
