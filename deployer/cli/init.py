"""`deployer init`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from deployer.cli.crash import printable
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
@click.option("--from-tags", is_flag=True, help="Ask AWS for the balancers and the port of what carries the tags.")
@click.option("--profile", metavar="NAME", help="AWS profile, with --from-tags.")
@click.option("--region", metavar="NAME", help="AWS region, with --from-tags.")
@click.option("--config", default=FILE_NAME, show_default=True, metavar="FILE", help="The file to write.")
@click.pass_obj
def init(
    program: Program | None,
    /,
    fleet: str,
    tags: str,
    from_tags: bool,
    profile: str | None,
    region: str | None,
    config: str,
) -> None:
    """Write a commented deployer.toml. AWS is asked for something only with --from-tags."""
    world = program or Program()
    path = world.folder / Path(config).expanduser()
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", fleet):
        raise UsageError(f"--fleet is {fleet!r}; expected at most 64 letters, digits, '-' and '_'")
    try:
        wanted = Tags().parse(tags)
    except Unfit as unfit:
        raise UsageError(f"--tags is {tags!r}; expected KEY=VALUE, several separated by commas") from unfit
    if path.exists():
        raise UsageError(_THERE.format(path=path))
    found = world.find(fleet, wanted, profile, region) if from_tags else None
    _write(path, starter(fleet, wanted, found.balancers, found.port) if found else starter(fleet, wanted))
    if found:
        behind = ", ".join(found.balancers) or "no balancer"
        click.echo(f"found {found.instances} instances behind {printable(behind)}", err=True)
        for problem in found.problems:
            click.echo(f"warning: {printable(problem)}", err=True)
    click.echo(f"wrote {path}; now say in it what your fleet is, then run `deployer plan`", err=True)


_THERE = "{path} is there already and is not overwritten; remove it, or give --config"


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(_THERE.format(path=path)) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
