"""`deployer resume`."""

from __future__ import annotations

import click

from deployer.cli.carry import carry
from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program


@click.command()
@fleet_options
@click.pass_obj
def resume(program: Program | None, /, **given: object) -> int:
    """Go on with the fleet's last rollout where it was cut short, as it was planned.

    Works from any machine that sees the state store. With nothing open it changes nothing.
    """
    call = Call.of(program, given)
    return carry(call, lambda watch: call.program.backend().resume(call.settings, watch))
