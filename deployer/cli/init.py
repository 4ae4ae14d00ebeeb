"""`deployer init`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from deployer.cli.crash import printable
from deployer.cli.finding import Discovered, Question
from deployer.cli.program import Program
from deployer.config.document import FILE_NAME
from deployer.config.kinds import Tags, Unfit
from deployer.config.starter import Draft, starter
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
@click.option("--from-tags", is_flag=True, help="Ask AWS for what carries the tags.")
@click.option("--from-asg", metavar="NAME", help="Ask AWS for an Auto Scaling group.")
@click.option("--from-target-group", metavar="NAME|ARN", help="Ask AWS for the instances of a target group.")
@click.option("--from-codedeploy", metavar="APP/GROUP", help="Translate a CodeDeploy deployment group.")
@click.option("--profile", metavar="NAME", help="AWS profile, with --from-….")
@click.option("--region", metavar="NAME", help="AWS region, with --from-….")
@click.option("--config", default=FILE_NAME, show_default=True, metavar="FILE", help="The file to write.")
@click.pass_obj
def init(program: Program | None, /, fleet: str, tags: str, config: str, **origin: str | bool | None) -> None:
    """Write a commented deployer.toml. AWS is asked for something only with --from-….

    With --from-… the fleet's instances are looked at: how they are found, their balancers, the port and path of
    their health checks, and of a deployment group all that has a counterpart; what has none is listed.
    """
    world = program or Program()
    path = world.folder / Path(config).expanduser()
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", fleet):
        raise UsageError(f"--fleet is {fleet!r}; expected at most 64 letters, digits, '-' and '_'")
    try:
        wanted = Tags().parse(tags)
    except Unfit as unfit:
        raise UsageError(f"--tags is {tags!r}; expected KEY=VALUE, several separated by commas") from unfit
    question = _question(fleet, wanted, origin)
    if path.exists():
        raise UsageError(_THERE.format(path=path))
    found = world.find(question) if question is not None else None
    draft = found.draft if found is not None else Draft(fleet, wanted)
    _write(path, starter(_from_git(draft, path)))
    if found is not None:
        _tell(found)
    write_schema(path)
    click.echo(f"wrote {path}; now say in it what your fleet is, then run `deployer plan`", err=True)


def _from_git(draft: Draft, path: Path) -> Draft:
    """The draft, with what is committed as its bundle where its folder is in a git checkout."""
    in_checkout = any((folder / ".git").exists() for folder in path.absolute().parents)
    return replace(draft, bundle="git:HEAD") if in_checkout and draft.bundle == Draft.bundle else draft


def _question(fleet: str, tags: Mapping[str, str], origin: Mapping[str, str | bool | None]) -> Question | None:
    """What is to be asked of AWS; None for nothing. Raises UsageError for more than one origin."""
    names = ("from_tags", "from_asg", "from_target_group", "from_codedeploy")
    given = [f"--{name.replace('_', '-')}" for name in names if origin.get(name)]
    if not given:
        return None
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; expected one of them")
    text = {name: value for name, value in origin.items() if isinstance(value, str)}
    application, slash, group = text.get("from_codedeploy", "").rpartition("/")
    if "from_codedeploy" in text and not (application and slash and group):
        raise UsageError(f"--from-codedeploy is {text['from_codedeploy']!r}; expected APPLICATION/GROUP")
    return Question(
        fleet,
        tags,
        asg=text.get("from_asg"),
        target_group=text.get("from_target_group"),
        codedeploy=(application, group) if application else None,
        profile=text.get("profile"),
        region=text.get("region"),
    )


def _tell(found: Discovered) -> None:
    """Says on standard error what was found, what has no counterpart, and what speaks against a rollout."""
    behind = ", ".join(found.draft.balancers) or "no balancer"
    click.echo(f"found {found.instances} instances behind {printable(behind)}", err=True)
    for line in found.draft.unmatched:
        click.echo(f"no counterpart: {printable(line)}", err=True)
    for problem in found.problems:
        click.echo(f"warning: {printable(problem)}", err=True)


_THERE = "{path} is there already and is not overwritten; remove it, or give --config"


def write_schema(settings: Path) -> None:
    """Writes the schema that the settings' first line names; one that is there stays."""
    from deployer.cli.schema import write_beside

    try:
        written = write_beside(settings)
    except OSError as error:
        click.echo(f"warning: no schema was written beside it: {error.strerror}", err=True)
        return
    if written is not None:
        click.echo(f"wrote {written}, which tells editors what may stand in it", err=True)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(_THERE.format(path=path)) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
