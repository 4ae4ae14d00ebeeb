"""`deployer report`."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from deployer.view.choose import Style, console_on
from deployer.view.report import LARGEST, as_command, as_markdown, print_text, read_result


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "github"]),
    default="text",
    show_default=True,
    help="markdown: a summary for a pipeline's page; github: an annotation of GitHub Actions.",
)
@click.argument("result", metavar="RESULT.json", type=click.File("rb"))
def report(form: str, result: BinaryIO) -> int:
    """Tell of a rollout from the document that `--output json` printed; `-` reads standard input.

    An empty document is told of too: a rollout whose settings were refused, or that was killed, leaves one.
    The exit status is about the report; the rollout's own has been given by the rollout.
    """
    found = read_result(result.read(LARGEST + 1), result.name)
    if form == "text":
        print_text(found, console_on(sys.stdout, Style(color=False)))
        return 0
    # Bytes: a summary is UTF-8 whatever the locale of the job is.
    said = as_command(found) if form == "github" else as_markdown(found)
    click.echo(said.encode(), nl=False)
    return 0
