"""`deployer resume`."""

from __future__ import annotations

import click

from deployer.cli.carry import carry
from deployer.cli.options import PINNED, backend_option, fleet_options, refused_options, yes_option
from deployer.cli.program import Call, Program
from deployer.config.settings import RunOptions


@click.command()
@fleet_options
@backend_option
@click.option("--approve", is_flag=True, help="Go on past the approval gate that it waited at.")
@click.option(
    "--hook-ran", "ran", metavar="NAME", multiple=True, help="A run-once hook that was cut short did its work."
)
@click.option(
    "--run-hook-again", "again", metavar="NAME", multiple=True, help="It did not; run it again. Both repeatable."
)
@yes_option
@refused_options(PINNED, "has no part in a resume: it goes on as planned; else `deployer abort`, then a rollout")
@click.pass_obj
def resume(
    program: Program | None, /, approve: bool, ran: tuple[str, ...], again: tuple[str, ...], **given: object
) -> int:
    """Go on with the fleet's last rollout where it was cut short, as it was planned.

    Works from any machine that sees the state store. With nothing open it changes nothing.
    """
    call = Call.of(program, given)
    options = RunOptions(approve=approve, hooks_ran=ran, hooks_again=again)
    return carry(call, lambda watch: call.backend.resume(call.settings, options, watch))
