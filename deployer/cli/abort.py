"""`deployer abort`."""

from __future__ import annotations

import click

from deployer.cli.carry import carry
from deployer.cli.options import PINNED, backend_option, fleet_options, refused_options, yes_option
from deployer.cli.program import Call, Program


@click.command()
@fleet_options
@backend_option
@yes_option
@refused_options(PINNED, "has no part in an abort: it keeps to the limits that the rollout was planned with")
@click.pass_obj
def abort(program: Program | None, /, **given: object) -> int:
    """Turn the fleet's last rollout round, if it was cut short: every slot goes back to what it was.

    Works from any machine that sees the state store. With nothing open it changes nothing.
    """
    call = Call.of(program, given)
    return carry(call, lambda watch: call.backend.abort(call.settings, watch))
