"""Options that are given twice, and options that scripts give to every command that changes a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click
import pytest

from deployer.backends.codedeploy import OnCodeDeploy
from deployer.cli.main import cli, run
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.result import Result
from deployer.model.capacity import Amount
from tests.cli.conftest import Deployer
from tests.cli.fakes import FakeBackend
from tests.view import results


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that can be called, with the words that lead to it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


def repeated() -> Iterator[tuple[str, ...]]:
    """Each option with one value of each command, twice."""
    for path, command in commands(cli):
        for param in command.params:
            if isinstance(param, click.Option) and not (param.is_flag or param.multiple or param.count):
                name = max(param.opts, key=len)
                yield (*path, name, "1", name, "2")


@pytest.mark.parametrize("line", list(repeated()), ids=lambda line: " ".join(line[:-1]))
def test_an_option_with_one_value_is_refused_when_it_is_given_twice(
    line: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(list(line)) == 2
    said = capsys.readouterr().err
    assert f"{line[-2]} is given twice" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["rollout", "--fleet", "web", "--fleet", "worker"], "a command is about one fleet; run it once for each"),
        (["plan", "--max-surge", "1", "--surge", "2"], "--max-surge is given twice"),
        (["plan", "--keep-failed", "--no-keep-failed"], "--keep-failed is given twice"),
        (["plan", "--batch=1", "--batch", "2", "--batch=3"], "--batch is given 3 times"),
    ],
)
def test_two_names_of_one_option_are_one(deployer: Deployer, line: list[str], said: str) -> None:
    backend = FakeBackend()
    ended = deployer(*line, backend=backend)
    assert ended.code == 2
    assert said in ended.err
    assert backend.asked == []


def test_a_flag_that_only_switches_on_may_be_repeated(deployer: Deployer) -> None:
    assert deployer("plan", "-v", "-v", "--no-color", "--no-color").code == 0


@dataclass
class Taker(FakeBackend):
    """A backend that goes on, turns back and goes back."""

    settings: list[FleetSettings] = field(default_factory=list)

    def resume(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        return self._done(settings)

    def abort(self, settings: FleetSettings, watch: Watch) -> Result:
        return self._done(settings)

    def rollback(self, settings: FleetSettings, options: RunOptions, watch: Watch, to: str | None) -> Result:
        return self._done(settings)

    def _done(self, settings: FleetSettings) -> Result:
        self.settings.append(settings)
        return results.result()


@pytest.mark.parametrize("yes", ["--yes", "-y"])
@pytest.mark.parametrize("command", ["rollout", "rollback", "abort", "resume", "bake"])
def test_every_command_that_changes_a_fleet_takes_yes(deployer: Deployer, command: str, yes: str) -> None:
    assert deployer(command, yes, backend=Taker()).code == 0


def test_a_rollback_keeps_to_the_floor_and_the_batch_of_the_command_line(deployer: Deployer) -> None:
    backend = Taker()
    assert deployer("rollback", "--batch", "50%", "--floor", "2", "--max-surge", "1", backend=backend).code == 0
    rollout = backend.settings[0].rollout
    assert (rollout.batch, rollout.floor, rollout.surge) == ((Amount(50, percent=True),), Amount(2), Amount(1))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["rollback", "--strategy", "canary"], "--strategy has no part in a rollback: every place goes back"),
        (["rollback", "--release", "1"], "--release is for rollouts; say which release to go back to with --to"),
        (["abort", "--batch", "25%"], "--batch has no part in an abort"),
        (["abort", "--timeout", "5m"], "--progress-deadline has no part in an abort"),
        (["resume", "--floor", "1"], "--floor has no part in a resume: it goes on as planned"),
        (["resume", "--keep-failed"], "--keep-failed has no part in a resume"),
    ],
)
def test_an_option_that_a_command_cannot_have_is_refused_with_the_reason(
    deployer: Deployer, line: list[str], said: str
) -> None:
    backend = Taker()
    ended = deployer(*line, backend=backend)
    assert ended.code == 2
    assert said in ended.err
    assert backend.settings == []


def test_a_rollback_by_codedeploy_takes_a_strategy(deployer: Deployer) -> None:
    backend = Taker(traits=OnCodeDeploy.traits)
    assert deployer("rollback", "--backend", "codedeploy", "--strategy", "rolling", backend=backend).code == 0
