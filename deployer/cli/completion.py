"""`deployer completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from deployer.model.errors import UsageError


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script: `eval "$(deployer completion bash)"`."""
    from deployer.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"there is no completion for {shell!r}")
    click.echo(kind(cli, {}, "deployer", "_DEPLOYER_COMPLETE").source())
