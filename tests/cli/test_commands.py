"""The other commands, and the table of them."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from deployer.cli.finding import Discovered
from deployer.cli.main import COMMANDS, cli
from deployer.config.document import read_document
from deployer.config.reader import read_fleets
from deployer.config.starter import Draft
from tests.cli.conftest import Deployer
from tests.cli.fakes import FakeBackend
from tests.view import results


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name: str, deployer: Deployer) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help
    assert deployer(name, "--help").code == 0


def test_an_unknown_command_gets_the_name_it_may_have_meant(deployer: Deployer) -> None:
    ended = deployer("rolout")
    assert ended.code == 2
    assert ended.err == "error: there is no command 'rolout'; did you mean \"rollout\"?; see `deployer --help`\n"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["rollout", "--strategy", "ro"], ["rolling"]),
        (["plan", "--method", ""], ["relaunch", "in-place"]),
        (["resume", "--backend", "c"], ["codedeploy"]),
        (["rollout", "--floor", ""], []),
    ],
)
def test_the_shell_completes_what_an_option_may_be(words: list[str], offered: list[str]) -> None:
    *before, typed = words
    found = ShellComplete(cli, {}, "deployer", "_DEPLOYER_COMPLETE").get_completions(before, typed)
    assert [item.value for item in found] == offered


def test_a_missing_argument_is_told_of_in_one_line(deployer: Deployer) -> None:
    ended = deployer("completion")
    assert ended.code == 2
    assert ended.err.startswith("error: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish; see")
    assert ended.err.count("\n") == 1


def test_without_a_command_the_help_is_shown(deployer: Deployer) -> None:
    ended = deployer()
    assert ended.code == 2
    assert "rollout" in ended.err


def test_the_version_is_told(deployer: Deployer) -> None:
    assert deployer("--version").out.startswith("deployer ")


def test_a_plan_is_printed(deployer: Deployer) -> None:
    ended = deployer("plan")
    assert ended.code == 0
    assert "release 1 → 2" in ended.out
    assert json.loads(deployer("plan", "--output", "json").out)["limits"]["floor"] == 1


@pytest.mark.parametrize(("changes", "code"), [(True, 20), (False, 0)])
def test_a_detailed_exit_code_says_whether_there_is_something_to_do(
    deployer: Deployer, changes: bool, code: int
) -> None:
    backend = FakeBackend(report=results.plan(changes=changes))
    assert deployer("plan", "--detailed-exitcode", backend=backend).code == code
    assert deployer("plan", backend=backend).code == 0


def test_a_status_is_printed(deployer: Deployer) -> None:
    assert "held by alice" in deployer("status").out
    document = json.loads(deployer("status", "--output", "json").out)
    assert [one["release"] for one in document["instances"]] == ["1", "2"]


def test_a_bake_is_printed(deployer: Deployer) -> None:
    assert "ami-2" in deployer("bake").out
    assert json.loads(deployer("bake", "--output", "json").out)["snapshots"] == ["snap-1"]


def test_init_writes_a_file_once(deployer: Deployer, tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").unlink()
    assert deployer("init", "--fleet", "shop", "--tags", "Service=shop").code == 0
    text = (tmp_path / "deployer.toml").read_text()
    assert "[fleet.shop]" in text
    again = deployer("init")
    assert again.code == 2
    assert "is not overwritten" in again.err
    assert (tmp_path / "deployer.toml").read_text() == text


def test_init_in_a_checkout_proposes_what_is_committed(deployer: Deployer, tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").unlink()
    assert deployer("init").code == 0
    assert 'bundle = "."' in (tmp_path / "deployer.toml").read_text()
    (tmp_path / "deployer.toml").unlink()
    (tmp_path / ".git").mkdir()
    assert deployer("init").code == 0
    assert 'bundle = "git:HEAD"' in (tmp_path / "deployer.toml").read_text()


def test_init_from_tags_writes_what_aws_knows_and_says_what_is_odd(deployer: Deployer, tmp_path: Path) -> None:
    draft = Draft("web", {"Role": "web"}, balancers=("shop-web",), port=8081, path="/up", unmatched=("a trigger",))
    found = Discovered(draft, 3, ("i-1 is registered\x1b nowhere",))
    ended = deployer("init", "--from-tags", "--config", "new.toml", found=found)
    (fleet,) = read_fleets(read_document(tmp_path / "new.toml")).values()
    assert (fleet.balancers, fleet.health.port, fleet.health.path) == (("shop-web",), 8081, "/up")
    assert "no counterpart: a trigger" in ended.err
    assert "found 3 instances behind shop-web" in ended.err
    assert "warning: i-1 is registered\\x1b nowhere" in ended.err


def test_init_from_tags_that_nothing_carries_writes_nothing(deployer: Deployer, tmp_path: Path) -> None:
    ended = deployer("init", "--from-tags", "--config", "new.toml")
    assert (ended.code, ended.err) == (5, "error: no instance carries the tags of web\n")
    assert not (tmp_path / "new.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "new.toml", "--fleet", "a b"], "--fleet is 'a b'"),
        (["--config", "new.toml", "--tags", "Service"], "expected KEY=VALUE"),
        (["--config", "no/such/folder.toml"], "cannot be written"),
        (["--from-tags", "--from-asg", "web"], "--from-tags and --from-asg exclude each other"),
        (["--config", "new.toml", "--from-codedeploy", "shop"], "expected APPLICATION/GROUP"),
        (["--config", "new.toml", "--from-codedeploy", "/web"], "expected APPLICATION/GROUP"),
    ],
)
def test_init_refuses_what_would_be_no_settings(deployer: Deployer, arguments: list[str], sentence: str) -> None:
    ended = deployer("init", *arguments)
    assert ended.code == 2
    assert sentence in ended.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(deployer: Deployer, shell: str) -> None:
    ended = deployer("completion", shell)
    assert ended.code == 0
    assert "_DEPLOYER_COMPLETE" in ended.out


def test_a_missing_settings_file_names_the_folder_and_init(deployer: Deployer, tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").unlink()
    ended = deployer("status")
    assert ended.code == 2
    assert str(tmp_path) in ended.err
    assert "`deployer init`" in ended.err


def test_kept_instances_are_ended_only_along_with_an_undo(deployer: Deployer) -> None:
    ended = deployer("doctor", "--kept")
    assert ended.code == 2
    assert ended.err == (
        "error: --kept says what --undo is to end as well; give both, or neither to see what there is\n"
    )
