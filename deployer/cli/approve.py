"""`deployer approve`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.view.text import clean


@click.command()
@fleet_options
@click.pass_obj
def approve(program: Program | None, /, **given: object) -> int:
    """Let the rollout that runs on a fleet go on past the approval gate that it waits at.

    It counts for the gate that waits now, and for no later one; from any machine that sees the state store. A
    rollout that is paused already goes on with `deployer resume --approve`.
    """
    call = Call.of(program, given)
    held = call.backend.approve(call.settings)
    if held is None:
        click.echo("no rollout runs on the fleet; `deployer resume --approve` goes on with one that is paused")
    else:
        click.echo(clean(f"rollout {held.rollout} ({held.owner}) was told to go on"))
    return 0
