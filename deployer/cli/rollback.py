"""`deployer rollback`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from deployer.cli.carry import carry
from deployer.cli.options import RELEASE, fleet_options, refused_options, rollout_options, yes_option
from deployer.cli.program import Call, Program
from deployer.config.settings import RunOptions
from deployer.model.errors import UsageError


@click.command()
@click.option("--to", metavar="RELEASE", help="The release to go back to; the one before when left out.")
@click.option("--even-if-sick", is_flag=True, help="Even to a release that a rollout had to turn back from.")
@rollout_options
@fleet_options
@yes_option
@refused_options(RELEASE, "is for rollouts; say which release to go back to with --to")
@click.pass_obj
def rollback(program: Program | None, /, to: str | None, even_if_sick: bool, **given: object) -> int:
    """Bring a fleet back to the release before: nothing is baked, and it goes as wide as the floor allows.

    Asks nothing: it is made for the night. A target that is gone, or that was turned back from because it failed,
    is refused before anything is touched.
    """
    call = Call.of(program, given)
    if call.backend.traits.strategies:
        _refuse_strategy(given)
    options = RunOptions(even_if_sick=even_if_sick)
    return carry(call, lambda watch: call.backend.rollback(call.settings, options, watch, to))


def _refuse_strategy(given: Mapping[str, object]) -> None:
    for name in ("strategy", "steps", "instance_type"):
        if given.get(name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} has no part in a rollback: every place goes back at once, as far as "
                "--floor and --max-surge allow, and to what it ran on"
            )
