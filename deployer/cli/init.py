"""`deployer init`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from deployer.cli.program import Program
from deployer.config.document import FILE_NAME
from deployer.config.kinds import Tags, Unfit
from deployer.config.starter import starter
from deployer.model.errors import UsageError


@click.command()
@click.option("--fleet", default="web", show_default=True, metavar="NAME", help="What the fleet is called.")
@click.option(
    "--tags",
    default="Service=shop,Role=web",
    show_default=True,
    metavar="KEY=VALUE,…",
    help="Tags of its instances.",
)
@click.option("--config", default=FILE_NAME, show_default=True, metavar="FILE", help="The file to write.")
@click.pass_obj
def init(program: Program | None, /, fleet: str, tags: str, config: str) -> None:
    """Write a commented deployer.toml; AWS is not asked for anything."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", fleet):
        raise UsageError(f"--fleet is {fleet!r}; expected at most 64 letters, digits, '-' and '_'")
    try:
        found = Tags().parse(tags)
    except Unfit as unfit:
        raise UsageError(f"--tags is {tags!r}; expected KEY=VALUE, several separated by commas") from unfit
    path = (program or Program()).folder / Path(config).expanduser()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter(fleet, found))
    except FileExistsError as error:
        raise UsageError(f"{path} is there already and is not overwritten; remove it, or give --config") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}; now say in it what your fleet is, then run `deployer plan`", err=True)
