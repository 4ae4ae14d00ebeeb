"""Options that commands share. Those of a rollout are made from its settings, so neither can lack the other's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from deployer.config.kinds import Choice, Count, Duration, Flag, Kind, Plugin, Share, Shares, Table
from deployer.config.rollout import RolloutSettings
from deployer.config.setting import Setting, settings_of
from deployer.config.settings import ReleaseSettings

F = TypeVar("F", bound=Callable[..., Any])


def fleet_options(command: F) -> F:
    """Which fleet, which account, and how to show it."""
    for option in reversed(
        (
            click.option("--fleet", metavar="NAME", help="The fleet; needed where the settings have several."),
            click.option("--config", metavar="FILE", help="Settings file instead of deployer.toml."),
            click.option("--profile", metavar="NAME", help="AWS profile."),
            click.option("--region", metavar="NAME", help="AWS region."),
            click.option(
                "--output", type=click.Choice(["text", "json"]), help="json: one document on standard output."
            ),
            click.option(
                "--log-format", type=click.Choice(["text", "json"]), help="Log lines instead of the tree."
            ),
            click.option("--no-color", is_flag=True, default=None, help="No colours (also NO_COLOR)."),
            click.option("-v", "--verbose", is_flag=True, default=None, help="Tell of every look."),
        )
    ):
        command = option(command)
    return command


def backend_option(command: F) -> F:
    """Which backend, for commands that have no other option of a rollout."""
    one = settings_of(RolloutSettings)["backend"]
    return click.option("--backend", metavar=_metavar(one.kind), help=one.doc, shell_complete=_completes(one.kind))(
        command
    )


def yes_option(command: F) -> F:
    """`--yes` of commands that ask nothing: scripts give it to all that change a fleet."""
    text = "Taken for the sake of scripts: nothing is asked."
    return click.option("-y", "--yes", is_flag=True, expose_value=False, help=text)(command)


def refused_options(names: Iterable[str], why: str) -> Callable[[F], F]:
    """Options of a rollout that another command cannot have: given all the same, they are refused with the reason.

    `names` are those of settings. `why` goes on the sentence that begins with the option.
    """

    def refuse(context: click.Context, option: click.Parameter, value: object) -> None:
        if value is not None and not context.resilient_parsing:
            raise click.UsageError(f"{max(option.opts, key=len)} {why}", context)

    def add(command: F) -> F:
        for name in names:
            spelled = _spelled(name, settings_of(RolloutSettings).get(name))
            command = click.option(*spelled, default=None, hidden=True, expose_value=False, callback=refuse)(
                command
            )
        return command

    return add


def _spelled(name: str, setting: Setting | None) -> list[str]:
    """How the option of a setting is written, its alias and the opposite of a flag among it."""
    option = "--" + name.replace("_", "-")
    if setting is not None and isinstance(setting.kind, Flag):
        option = f"{option}/--no-{option.removeprefix('--')}"
    return [option, *([setting.alias] if setting is not None and setting.alias else []), name]


def release_options(command: F) -> F:
    """What to roll out."""
    settings = settings_of(ReleaseSettings)
    for option in reversed(
        (
            click.option("--release", metavar="NAME", help=settings["name"].doc),
            click.option("--bundle", metavar="PLACE", help=settings["bundle"].doc),
            click.option("--image", metavar="AMI", help=settings["image"].doc),
        )
    ):
        command = option(command)
    return command


def rollout_options(command: F) -> F:
    """How to roll out: one option for each setting of `[fleet.NAME.rollout]`."""
    for name, setting in reversed(settings_of(RolloutSettings).items()):
        if isinstance(setting.kind, Table):
            continue
        names = _spelled(name, setting)
        if isinstance(setting.kind, Flag):
            command = click.option(*names, default=None, help=setting.doc)(command)
        else:
            command = click.option(
                *names,
                metavar=_metavar(setting.kind),
                help=setting.doc,
                shell_complete=_completes(setting.kind),
            )(command)
    return command


RELEASE = ("release", "bundle", "image")
"""The options that say what to roll out."""

PINNED = (*(name for name in settings_of(RolloutSettings) if name not in ("backend", "settings")), *RELEASE)
"""The options that a rollout is planned with, and goes on with whatever is said later."""


def _completes(kind: Kind[object]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What a shell offers behind the option; a name is looked up only when it is asked for."""

    def begun(_context: click.Context, _option: click.Parameter, typed: str) -> list[str]:
        return [word for word in _words(kind) if word.startswith(typed)]

    return begun


def _words(kind: Kind[object]) -> list[str]:
    match kind:
        case Choice(of=choices):
            return [str(member.value) for member in choices]
        case Plugin(names=names):
            return sorted(names())
        case _:
            return []


def _metavar(kind: Kind[object]) -> str:
    match kind:
        case Choice(of=choices):
            return "|".join(str(member.value) for member in choices)
        case Share():
            return "N|N%"
        case Shares():
            return "N|N%[,…]"
        case Duration():
            return "TIME"
        case Count():
            return "N"
        case Plugin():
            return "NAME"
        case _:
            return "TEXT"
