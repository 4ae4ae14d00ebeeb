"""`deployer plan`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options, release_options, rollout_options
from deployer.cli.program import Call, Program
from deployer.config.settings import RunOptions
from deployer.model.errors import ExitCode
from deployer.view.choose import console_on
from deployer.view.documents import plan_document, print_document
from deployer.view.summary import print_plan


@click.command()
@rollout_options
@release_options
@fleet_options
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 20 when there is something to do.")
@click.pass_obj
def plan(program: Program | None, /, detailed_exitcode: bool, **given: object) -> int:
    """Show what a rollout would do, and within which limits; changes nothing."""
    call = Call.of(program, given)
    report = call.backend.plan(call.settings, RunOptions())
    if call.as_json:
        print_document(plan_document(report), call.program.out)
    else:
        print_plan(report, console_on(call.program.out, call.style), verbose=call.style.verbose)
    return int(ExitCode.CHANGES if detailed_exitcode and report.changes else ExitCode.DONE)
