"""`deployer doctor`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.model.errors import ExitCode, UsageError
from deployer.view.documents import diagnosis_document, print_document
from deployer.view.past import diagnosis_lines


@click.command()
@click.option("--leftovers", is_flag=True, help="Only what a dead run left behind.")
@click.option("--undo", is_flag=True, help="Put right what no open rollout is responsible for.")
@click.option("--kept", is_flag=True, help="With --undo: also end what failed and was kept for a look.")
@fleet_options
@click.pass_obj
def doctor(program: Program | None, /, leftovers: bool, undo: bool, kept: bool, **given: object) -> int:
    """Look for what speaks against a rollout, and for what an earlier one left behind.

    Exit status: 0 when there is nothing to be done, 5 when there is.
    """
    if kept and not undo:
        raise UsageError("--kept says what --undo is to end as well; give both, or neither to see what there is")
    call = Call.of(program, given)
    diagnosis = call.backend.doctor(call.settings, leftovers_only=leftovers, undo=undo, end_kept=kept)
    if call.as_json:
        print_document(diagnosis_document(diagnosis), call.program.out)
    else:
        click.echo("\n".join(diagnosis_lines(diagnosis)))
    return int(ExitCode.DONE if diagnosis.healthy else ExitCode.REFUSED)
