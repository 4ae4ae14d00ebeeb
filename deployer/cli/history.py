"""`deployer history`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.view.documents import history_document, print_document
from deployer.view.past import history_lines


@click.command()
@click.option("--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="How many, newest first.")
@fleet_options
@click.pass_obj
def history(program: Program | None, /, limit: int, **given: object) -> int:
    """Show a fleet's latest rollouts and how they ended."""
    call = Call.of(program, given)
    past = call.backend.history(call.settings, limit)
    if call.as_json:
        print_document(history_document(call.settings.name, past), call.program.out)
    else:
        click.echo("\n".join(history_lines(past)))
    return 0
