"""`deployer pause`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.view.text import clean


@click.command()
@fleet_options
@click.pass_obj
def pause(program: Program | None, /, **given: object) -> int:
    """Ask the rollout that runs on a fleet to pause: it brings what is in flight into service and exits with 6.

    `deployer resume` goes on with it, `deployer abort` turns it round; from any machine that sees the state store.
    """
    call = Call.of(program, given)
    held = call.backend.pause(call.settings)
    if held is None:
        click.echo("no rollout runs on the fleet")
    else:
        click.echo(clean(f"rollout {held.rollout} ({held.owner}) was asked to pause"))
    return 0
