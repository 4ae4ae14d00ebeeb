"""`deployer rollback`."""

from __future__ import annotations

import click

from deployer.cli.carry import carry
from deployer.cli.options import backend_option, fleet_options
from deployer.cli.program import Call, Program
from deployer.config.settings import RunOptions


@click.command()
@click.option("--to", metavar="RELEASE", help="The release to go back to; the one before when left out.")
@click.option("--even-if-sick", is_flag=True, help="Even to a release that a rollout had to turn back from.")
@fleet_options
@backend_option
@click.pass_obj
def rollback(program: Program | None, /, to: str | None, even_if_sick: bool, **given: object) -> int:
    """Bring a fleet back to the release before: nothing is baked, and it goes as wide as the floor allows.

    Asks nothing: it is made for the night. A target that is gone, or that was turned back from because it failed,
    is refused before anything is touched.
    """
    call = Call.of(program, given)
    options = RunOptions(even_if_sick=even_if_sick)
    return carry(call, lambda watch: call.backend.rollback(call.settings, options, watch, to))
