"""From settings to hooks: built in, by entry point, by path; and what is refused, with the name and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.config.settings import FleetSettings
from deployer.hooks import BUILT_IN
from deployer.hooks.alarms import Alarms, Means
from deployer.hooks.command import Command
from deployer.hooks.smoke_test import SmokeTest
from deployer.hooks.webhook import Webhook
from deployer.model.errors import UsageError
from deployer.model.occasions import Point
from deployer.rollout.hooks.line import fit_hooks

OWN = """
from dataclasses import dataclass
from deployer.hooks.contract import passed

@dataclass(frozen=True)
class Ping:
    patience: float = 1.0
    hosts: tuple[str, ...] = ()

    def run(self, call, doors):
        return passed(f"{self.patience} {self.hosts}")

class NoDataclass:
    def run(self, call, doors): ...
"""


def fleet(folder: Path, hooks: str) -> FleetSettings:
    """The settings of a fleet with these hooks."""
    path = folder / "deployer.toml"
    path.write_text('[fleet.web]\nfind = { tags = { Service = "shop" } }\n' + hooks)
    (folder / "own.py").write_text(OWN)
    return read_fleets(read_document(path))["web"]


def hooks(text: str) -> str:
    """One hook at the beginning."""
    return f'[[fleet.web.hooks]]\nat = "before-rollout"\n{text}\n'


def gates(text: str) -> str:
    """One gate between steps."""
    return f'[[fleet.web.gates]]\nat = "after-step"\n{text}\n'


def test_a_command_a_webhook_and_a_built_in_are_made_with_their_settings(tmp_path: Path) -> None:
    text = (
        hooks('run = "./migrate.sh --yes"\nonce = true')
        + hooks('url = "https://example.com/hook"\nsettings = { token_env = "T" }')
        + hooks('use = "smoke_test"\nsettings = { paths = ["/a", "/b"], latency = "250ms", status = 204 }')
        + gates('use = "alarms"\nsettings = { names = ["errors"], insufficient = "fail" }')
        + gates('run = ["./gate.sh"]')
    )
    line = fit_hooks(fleet(tmp_path, text))
    assert [one.hook for one in line.hooks] == [
        Command(("./migrate.sh", "--yes")),
        Webhook("https://example.com/hook", token_env="T"),
        SmokeTest(("/a", "/b"), latency=0.25, status=204),
    ]
    assert [one.gate for one in line.gates] == [
        Alarms(("errors",), insufficient=Means.FAIL),
        Command(("./gate.sh",)),
    ]
    assert [one.label for one in line.all] == [
        "hook:migrate.sh",
        "hook:webhook",
        "hook:smoke_test",
        "gate:alarms",
        "gate:gate.sh",
    ]
    assert line.points == {Point.BEFORE_ROLLOUT, Point.AFTER_STEP}


def test_a_hook_of_the_repositorys_own_is_read_by_path_relative_to_the_settings(tmp_path: Path) -> None:
    text = hooks('use = "own.py:Ping"\nsettings = { patience = "1m", hosts = ["a"] }')
    (found,) = fit_hooks(fleet(tmp_path, text)).hooks
    assert (type(found.hook).__name__, vars(found.hook)) == ("Ping", {"patience": 60.0, "hosts": ("a",)})


def test_hooks_without_a_name_are_numbered_and_two_of_one_name_are_refused(tmp_path: Path) -> None:
    line = fit_hooks(fleet(tmp_path, hooks('run = "./a"') + hooks('run = "./a"')))
    assert [one.name for one in line.hooks] == ["a", "a-2"]
    with pytest.raises(UsageError, match=r"line 10: fleet.web.hooks\[1\].name is 'x', as that of 1 other hook"):
        fit_hooks(fleet(tmp_path, hooks('run = "./a"\nname = "x"') + hooks('run = "./b"\nname = "x"')))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            hooks('use = "slak"'),
            'line 5: fleet.web.hooks[0].use is "slak", which is no hook that is installed; did you mean "slack"?',
        ),
        (hooks('use = "alarms"'), "no hook: it has no method `run`; a gate belongs under [[fleet.NAME.gates]]"),
        (gates('use = "slack"'), "no gate: it has no method `judge`; a hook belongs under [[fleet.NAME.hooks]]"),
        (hooks('use = "missing.py:X"'), 'hooks[0].use is "missing.py:X", but there is no file'),
        (hooks('use = "own.py:Pong"'), "own.py has no class Pong"),
        (hooks('use = "own.py:NoDataclass"'), "which is not a dataclass"),
        (
            hooks('use = "smoke_test"\nsettings = { path = "/" }'),
            'line 6: fleet.web.hooks[0].settings.path is not a setting; did you mean "paths"?',
        ),
        (
            hooks('use = "smoke_test"\nsettings = { status = "200" }'),
            'settings.status is "200"; expected a whole number from 100 to 599',
        ),
        (
            hooks('use = "smoke_test"\n[fleet.web.hooks.settings]\nattempts = 2\nlatency = "soon"'),
            'line 8: fleet.web.hooks[0].settings.latency is "soon"; expected a duration such as "30s"',
        ),
        (hooks('use = "sns"'), "line 3: fleet.web.hooks[0].settings has no topic; expected a text"),
        (
            gates('use = "alarms"\nsettings = { names = ["a"], ok = "maybe" }'),
            'gates[0].settings.ok is "maybe"; expected one of "pass", "fail", "wait"',
        ),
        (
            gates('use = "time_window"\nsettings = { hours = "9-5" }'),
            "line 6: fleet.web.gates[0].settings.hours is '9-5'; expected hours such as",
        ),
        (gates('use = "metric"'), "line 5: fleet.web.gates[0].use is refused by metric: has neither success nor"),
        (hooks('url = "http://:80"'), "line 5: fleet.web.hooks[0].url is refused by webhook: 'http://:80' is not"),
        (
            hooks('run = "a"\nsettings = { command = ["b"] }'),
            "fleet.web.hooks[0].settings.command is not a setting; there are none",
        ),
        (
            hooks('use = "sns"\nsettings = { topc = "arn:x" }') + gates('use = "metrik"'),
            'topc is not a setting; did you mean "topic"? (and 2 more; `deployer check` lists them)',
        ),
    ],
)
def test_what_cannot_be_made_is_refused_with_file_fleet_and_what_was_expected(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        fit_hooks(fleet(tmp_path, text))
    assert str(refused.value).startswith(f"{tmp_path / 'deployer.toml'}, line ")
    assert "\n" not in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (hooks(""), r"fleet.web.hooks\[0\] has none; expected exactly one of run, url and use"),
        (hooks('run = "a"\nurl = "http://a"'), "has run and url"),
        (gates('use = "alarms"\non_error = "ignore"'), r'expected one of "fail", "stop", "pause", "pass"'),
        ('[[fleet.web.gates]]\nat = "before-drain"\nuse = "approval"\n', r"line 4: fleet.web.gates\[0\].at is"),
        ('[[fleet.web.hooks]]\nat = "throughout"\nrun = "a"\n', "fleet.web.hooks.* expected one of"),
    ],
)
def test_rules_that_make_no_sense_are_refused_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fleet(tmp_path, text)


def test_pins_change_with_any_setting_and_hold_none_of_them(tmp_path: Path) -> None:
    text = hooks('url = "https://hooks.example.com/T0/sesame"')
    before = fit_hooks(fleet(tmp_path, text)).pins()
    after = fit_hooks(fleet(tmp_path, text + "timeout = 5\n")).pins()
    assert before[0][0] == after[0][0] == "hook:webhook"
    assert before != after
    assert "sesame" not in str(before)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_is_there_and_documented(name: str) -> None:
    module, _, kind = BUILT_IN[name].partition(":")
    found = getattr(__import__(module, fromlist=[kind]), kind)
    assert callable(getattr(found, "run", None)) or callable(getattr(found, "judge", None))
    page = Path(__file__).parents[2] / "docs" / "hooks.md"
    assert f"### `{name}`" in page.read_text()
