"""`deployer appspec check`: whether an AppSpec would deploy, and what to change if not."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deployer.cli.once import Commands
from deployer.model.errors import ExitCode


@click.group("appspec", cls=Commands)
def appspec() -> None:
    """Look at AppSpec files."""


@appspec.command("check")
@click.argument("path", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--strict", is_flag=True, help="Also refuse what the CodeDeploy agent lets pass against its documents."
)
def check(path: Path, *, strict: bool) -> None:
    """Check an AppSpec as the CodeDeploy agent reads it.

    FILE is an AppSpec; in a FOLDER it is looked for as appspec.yaml, then appspec.yml, and the scripts and files
    that it names must be there too. Exits with 0 when it would deploy, with 2 when not. One for Windows would
    deploy with `--backend codedeploy` only, and the first line says so.
    """
    # Loaded here: `deployer --help` must not pay for YAML and archives.
    from deployer.remote.appspec.check import check_path

    verdict = check_path(path, strict=strict)
    for line in verdict.lines:
        click.echo(line, err=not verdict.passed)
    sys.exit(ExitCode.DONE if verdict.passed else ExitCode.USAGE)
