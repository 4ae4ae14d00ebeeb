"""`deployer why`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.view.documents import explanation_document, print_document
from deployer.view.text import clean


@click.command()
@click.argument("subject", metavar="INSTANCE|SLOT")
@fleet_options
@click.pass_obj
def why(program: Program | None, /, subject: str, **given: object) -> int:
    """Tell what holds an instance or slot: what is seen of it, how old that is, and the inequality in its way."""
    call = Call.of(program, given)
    explanation = call.backend.why(call.settings, subject)
    if call.as_json:
        print_document(explanation_document(explanation), call.program.out)
    else:
        for line in explanation.lines:
            click.echo(clean(line))
    return 0
