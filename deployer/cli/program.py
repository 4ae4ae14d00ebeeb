"""What commands have in common: the backend they call, the settings they work with, the streams they print to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar, cast

import click

from deployer.cli.finding import Discovered, Question, find
from deployer.config.load import Given, load_fleet
from deployer.config.settings import FleetSettings
from deployer.model.errors import UsageError
from deployer.view.choose import LogFormat, Output, Style

if TYPE_CHECKING:
    from deployer.rollout.backend import Backend


def _by_settings(settings: FleetSettings) -> Backend:
    from deployer.rollout.backend import backend_named

    return backend_named(settings.rollout.backend, settings.folder)


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
