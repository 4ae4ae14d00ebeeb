"""What a demo prints at its end."""

from __future__ import annotations

import json

import click

from deployer.lab.demo.options import DemoOptions
from deployer.lab.demo.story import Ending
from deployer.lab.demo.verdict import lines


def show(options: DemoOptions, ending: Ending, output: str) -> None:
    """The document or the verdict block on standard output; nothing when there was no rollout."""
    if ending.evidence is None:
        return
    if output == "json":
        click.echo(json.dumps(ending.evidence.document(), indent=2))
        # The document is the rollout's; what the demo makes of it is for the reader.
        if ending.verdict is not None:
            click.echo(f"{ending.verdict.headline}. {ending.verdict.reason}".rstrip(), err=True)
    elif ending.verdict is not None:
        click.echo("\n".join(lines(options, ending.evidence, ending.verdict)))
