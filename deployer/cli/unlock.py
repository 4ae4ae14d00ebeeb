"""`deployer unlock`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.model.errors import ExitCode
from deployer.view.text import clean


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@fleet_options
@click.pass_obj
def unlock(program: Program | None, /, yes: bool, **given: object) -> int:
    """Free a fleet that somebody holds. A rollout that still runs is stopped by it: it changes nothing more.

    Look first whether it is really dead: `deployer resume` goes on with a dead one without any unlocking.
    """
    call = Call.of(program, given)
    held = call.backend.holder(call.settings)
    if held is None:
        click.echo("nobody holds the fleet")
        return 0
    click.echo(clean(f"held by {held.owner}: {held.reason} (rollout {held.rollout}, epoch {held.epoch})"), err=True)
    if not yes and not (call.program.interactive() and call.program.agrees("Free it?")):
        click.echo("not freed; say --yes to free it", err=True)
        return int(ExitCode.REFUSED)
    call.backend.unlock(call.settings)
    click.echo("freed; `deployer doctor --leftovers` shows what the rollout left")
    return 0
