"""`deployer status`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.view.choose import console_on
from deployer.view.documents import print_document, status_document
from deployer.view.summary import print_status


@click.command()
@fleet_options
@click.pass_obj
def status(program: Program | None, /, **given: object) -> int:
    """Show a fleet as it is now: who is in service, on which release, and who holds it."""
    call = Call.of(program, given)
    found = call.backend.status(call.settings)
    if call.as_json:
        print_document(status_document(found), call.program.out)
    else:
        print_status(found, console_on(call.program.out, call.style))
    return 0
