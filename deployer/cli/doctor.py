"""`deployer doctor`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.model.errors import ExitCode
from deployer.view.documents import diagnosis_document, print_document
from deployer.view.past import diagnosis_lines


@click.command()
@click.option("--leftovers", is_flag=True, help="Only what a dead run left behind.")
@click.option("--undo", is_flag=True, help="Put right what no open rollout is responsible for.")
@fleet_options
@click.pass_obj
def doctor(program: Program | None, /, leftovers: bool, undo: bool, **given: object) -> int:
    """Look for what speaks against a rollout, and for what an earlier one left behind.

    Exit status: 0 when there is nothing to be done, 5 when there is.
    """
    call = Call.of(program, given)
    diagnosis = call.backend.doctor(call.settings, leftovers_only=leftovers, undo=undo)
    if call.as_json:
        print_document(diagnosis_document(diagnosis), call.program.out)
    else:
        click.echo("\n".join(diagnosis_lines(diagnosis)))
    return int(ExitCode.DONE if diagnosis.healthy else ExitCode.REFUSED)
