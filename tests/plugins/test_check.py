"""`deployer check` tells everything that is wrong, of all fleets, and runs nobody's code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.config.document import read_document
from deployer.plugins.check import Checked, check
from deployer.plugins.source import NoPlugin, read_source
from tests.cli.conftest import Deployer

WRONG = """\
[fleet.web]
find = { tags = { Service = "shop" } }
[fleet.web.rollout]
batch = "0%"
strategy = "canary"
[fleet.web.rollout.settings]
steps = ["1", "50%"]
soak = "soon"
[[fleet.web.hooks]]
at = "before-rollout"
use = "own.py:Own"
settings = { number = "two", colr = "red" }
[[fleet.web.hooks]]
at = "before-rollout"
run = "./migrate 'now"
name = "x"
[[fleet.web.hooks]]
at = "before-rollout"
run = "./migrate"
name = "x"
[[fleet.web.gates]]
at = "after-step"
use = "metrik"

[fleet.worker]
find = {}
[fleet.worker.rollout]
strategy = "zone-by-zone"
settings = { soak = "x" }
[[fleet.worker.gates]]
at = "nowhere"
use = "time_window"
settings = { hours = "9-5" }
[fleet.third]
[stat]
"""
LINES = [4, 7, 8, 12, 12, 15, 20, 23, 26, 29, 31, 33, 34, 35]

OWN = """
from dataclasses import dataclass
raise SystemExit("it was run")

@dataclass(frozen=True)
class Own:
    number: int = 1
    color: str = ""
    def run(self, call, doors): ...
"""


def looked(folder: Path, text: str, own: str = OWN) -> Checked:
    (folder / "deployer.toml").write_text(text)
    (folder / "own.py").write_text(own)
    return check(read_document(folder / "deployer.toml"))


def test_every_error_of_every_fleet_is_told_in_the_order_of_the_lines(tmp_path: Path) -> None:
    found = looked(tmp_path, WRONG)
    document = read_document(tmp_path / "deployer.toml")
    assert [document.line(problem.key) for problem in found.problems] == LINES
    assert found.fleets == ("web", "worker", "third")


def test_the_document_has_line_key_and_message_of_each(deployer: Deployer, tmp_path: Path) -> None:
    looked(tmp_path, WRONG)
    ended = deployer("check", "--output", "json")
    said = json.loads(ended.out)
    assert ended.code == 2
    assert not said["ok"]
    assert [error["line"] for error in said["errors"]] == LINES
    assert said["errors"][7] == {
        "line": 23,
        "key": "fleet.web.gates[0].use",
        "message": said["errors"][7]["message"],
    }
    assert 'did you mean "metric"?' in said["errors"][7]["message"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [("[fleet.web\n", 1, "not valid TOML"), ("a = ", None, "not valid TOML"), ("", None, "has no fleet")],
)
def test_a_file_that_cannot_be_read_has_a_document_too(
    deployer: Deployer, tmp_path: Path, text: str, line: int | None, said: str
) -> None:
    (tmp_path / "deployer.toml").write_text(text)
    ended = deployer("check", "--output", "json")
    [error] = json.loads(ended.out)["errors"]
    assert (ended.code, error["line"]) == (2, line)
    assert said in error["message"]


def test_nothing_wrong_is_one_line_and_0(deployer: Deployer) -> None:
    ended = deployer("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("deployer.toml: nothing is wrong with the settings of web\n")


def test_the_variables_of_a_run_play_no_part(deployer: Deployer) -> None:
    assert deployer("check", environment={"DEPLOYER_BATCH": "0%", "DEPLOYER_FLEET": "gone"}).code == 0


HOOK = '[fleet.web]\nfind = { asg = "a" }\n[[fleet.web.hooks]]\nat = "on-builder"\nuse = "own.py:Own"\n'
STATIC = "from dataclasses import dataclass, field\nfrom enum import Enum\nraise SystemExit('it was run')\n"


@pytest.mark.parametrize(
    ("own", "settings", "said"),
    [
        ("@dataclass\nclass Own:\n  a: int\n  def run(self): ...", "", "has no a; expected a whole number"),
        ("@dataclass\nclass Own:\n  a: int = field(default=1)\n  def run(self): ...", "", None),
        ("@dataclass\nclass Own:\n  a: 'int | None' = None\n  def run(self): ...", "a = 'x'", "expected a whole"),
        ("@dataclass\nclass Own:\n  a: tuple[str, ...] = ()\n  def run(self): ...", "a = [1]", "expected a list"),
        (
            "@dataclass\nclass Own:\n  a: Mapping[str, int]\n  def run(self): ...",
            "a = {b = 'c'}",
            "expected a table",
        ),
        ("@dataclass\nclass Own:\n  a: Seconds = 0.0\n  def run(self): ...", "a = -1", "expected a duration"),
        (
            "class C(Enum):\n  R = 'r'\n@dataclass\nclass Own:\n  a: C = C.R\n  def run(self): ...",
            "a = 'g'",
            'expected one of "r"',
        ),
        (
            "@dataclass\nclass Own:\n  a: Annotated[int, Between(1, 3)] = 1\n  def run(self): ...",
            "a = 4",
            "expected a whole number from 1 to 3",
        ),
        ("@dataclass\nclass Own:\n  a: complex = 0j\n  def run(self): ...", "a = 4", None),
        ("@dataclass\nclass Own:\n  a: ClassVar[int] = 1\n  def run(self): ...", "a = 4", "is not a setting"),
        ("@dataclass\nclass Own(Base):\n  a: int = 1", "b = 4", None),
        ("@dataclass\nclass Own:\n  a: int = 1", "", "no hook: it has no method `run`"),
        ("class Own: ...", "", "has a class Own, which is not a dataclass"),
        ("class Other: ...", "", "has no class Own"),
        ("def f(:", "", "could not be read"),
    ],
)
def test_a_plugin_by_path_is_read_and_not_run(tmp_path: Path, own: str, settings: str, said: str | None) -> None:
    found = looked(tmp_path, HOOK + f"settings = {{ {settings} }}\n", (STATIC if "(:" not in own else "") + own)
    assert [problem.rest for problem in found.problems if said is None] == []
    assert said is None or said in found.problems[0].rest


def test_what_only_running_it_would_tell_is_said_to_be_open(tmp_path: Path) -> None:
    found = looked(tmp_path, HOOK, "from elsewhere import Own")
    assert found.problems == ()
    [note] = found.notes
    assert note.startswith("fleet web: hook own.py:Own was not looked into: Own is not defined in")


def test_a_plugin_by_path_that_is_not_there_is_wrong(tmp_path: Path) -> None:
    found = looked(tmp_path, HOOK.replace("own.py", "gone.py"))
    assert "but there is no file" in found.problems[0].rest


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x = \x00"])
def test_a_file_that_is_no_python_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "own.py").write_bytes(content)
    with pytest.raises(NoPlugin, match="could not be read"):
        read_source(tmp_path / "own.py", "Own")
