"""What commands have in common: the backend they call, the settings they work with, the streams they print to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TextIO, TypeVar, cast

import click

from deployer.cli.finding import Discovered, Question, find
from deployer.config.load import Given, load_fleet
from deployer.config.rollout import BackendName
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.reports import BakeReport, Diagnosis, Explanation, FleetStatus, PastRollout, PlanReport
from deployer.engine.result import Result
from deployer.model.errors import UsageError
from deployer.state.store import Holder
from deployer.view.choose import LogFormat, Output, Style


class Backend(Protocol):
    """What carries a rollout out. `deployer.backends.native` is one; each call raises DeployerError."""

    def plan(self, settings: FleetSettings, options: RunOptions) -> PlanReport:
        """What a rollout would do; changes nothing."""
        ...

    def rollout(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """Rolls out, and tells `watch` of everything as it happens."""
        ...

    def status(self, settings: FleetSettings) -> FleetStatus:
        """The fleet as it is now."""
        ...

    def bake(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> BakeReport:
        """Makes the image of a release."""
        ...

    def resume(self, settings: FleetSettings, options: RunOptions, watch: Watch) -> Result:
        """Goes on with the last rollout, if it was cut short."""
        ...

    def abort(self, settings: FleetSettings, watch: Watch) -> Result:
        """Turns the last rollout round, if it was cut short."""
        ...

    def rollback(self, settings: FleetSettings, options: RunOptions, watch: Watch, to: str | None) -> Result:
        """Brings the fleet back to a release before."""
        ...

    def history(self, settings: FleetSettings, limit: int) -> Sequence[PastRollout]:
        """The latest rollouts, the newest first."""
        ...

    def why(self, settings: FleetSettings, subject: str) -> Explanation:
        """What holds an instance or slot."""
        ...

    def doctor(
        self, settings: FleetSettings, *, leftovers_only: bool, undo: bool, end_kept: bool = False
    ) -> Diagnosis:
        """What is wrong, and what dead runs left; with `undo`, put right, and with `end_kept` kept ones ended."""
        ...

    def approve(self, settings: FleetSettings) -> Holder | None:
        """Tells the running rollout to go on past the gate that waits."""
        ...

    def pause(self, settings: FleetSettings) -> Holder | None:
        """Asks the running rollout to pause."""
        ...

    def iam_policy(self, settings: FleetSettings, account: str, region: str) -> dict[str, object]:
        """The least IAM policy for the fleet's rollouts."""
        ...

    def holder(self, settings: FleetSettings) -> Holder | None:
        """Who holds the fleet."""
        ...

    def unlock(self, settings: FleetSettings) -> Holder | None:
        """Frees the fleet."""
        ...


def _by_settings(settings: FleetSettings) -> Backend:
    match settings.rollout.backend:
        case BackendName.NATIVE:
            from deployer.backends import native

            return cast("Backend", native)
        case BackendName.CODEDEPLOY:
            from deployer.backends import codedeploy

            return cast("Backend", codedeploy)


@dataclass(frozen=True)
class Program:
    """The outside of a command. Tests pass another one in."""

    backend: Callable[[FleetSettings], Backend] = _by_settings
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    folder: Path = field(default_factory=Path.cwd)
    find: Callable[[Question], Discovered] = find
    interactive: Callable[[], bool] = lambda: sys.stdin.isatty() and sys.stderr.isatty()
    agrees: Callable[[str], bool] = lambda question: click.confirm(question, err=True)
    """Asks a person at the terminal; just Enter is a no."""
    chooses: Callable[[str, Sequence[str]], str] = lambda question, words: str(
        click.prompt(question, type=click.Choice(words), default=words[-1], err=True)
    )
    """Has a person at the terminal choose one of some words; just Enter is the last."""

    @property
    def out(self) -> TextIO:
        """Standard output: for the result alone."""
        return sys.stdout

    @property
    def err(self) -> TextIO:
        """Standard error: for everything else."""
        return sys.stderr


@dataclass(frozen=True)
class Call:
    """One command line, understood: the fleet's settings with everything laid over them, and how to show it."""

    program: Program
    settings: FleetSettings
    style: Style

    @classmethod
    def of(cls, program: Program | None, options: Mapping[str, object]) -> Call:
        """From click's options. Raises UsageError."""
        world = program or Program()
        texts = {name: _text(value) for name, value in options.items() if value is not None and name not in _OWN}
        config = options.get("config")
        given = Given(
            config=Path(str(config)) if config else None,
            fleet=cast("str | None", options.get("fleet")),
            options=texts,
            environment=world.environment,
        )
        return cls(world, load_fleet(given, world.folder), style_of(options, world.environment))

    @property
    def backend(self) -> Backend:
        """What carries rollouts out, as the settings say."""
        return self.program.backend(self.settings)

    @property
    def as_json(self) -> bool:
        """Whether standard output gets a document."""
        return self.style.output is Output.JSON


_OWN = frozenset({"config", "fleet", "output", "log_format", "no_color", "verbose"})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def style_of(options: Mapping[str, object], environment: Mapping[str, str]) -> Style:
    """How to show things. Raises UsageError for a DEPLOYER_* that is none of the choices."""
    log_format = _choice(options, environment, "log_format", LogFormat)
    return Style(
        output=_choice(options, environment, "output", Output) or Output.TEXT,
        log_format=log_format,
        color=not (options.get("no_color") or environment.get("NO_COLOR")),
        verbose=bool(options.get("verbose")),
    )


E = TypeVar("E", Output, LogFormat)


def _choice(options: Mapping[str, object], environment: Mapping[str, str], name: str, of: type[E]) -> E | None:
    variable = f"DEPLOYER_{name.upper()}"
    said = options.get(name) or environment.get(variable)
    if not said:
        return None
    for member in of:
        if member.value == said:
            return member
    known = " or ".join(str(member.value) for member in of)
    raise UsageError(f"{variable} is {said!r}; expected {known}")
