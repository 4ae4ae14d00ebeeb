"""`deployer rollout`."""

from __future__ import annotations

import click

from deployer.cli.carry import carry
from deployer.cli.options import fleet_options, release_options, rollout_options
from deployer.cli.program import Call, Program
from deployer.cli.sabotage import sabotage_of
from deployer.config.settings import RunOptions
from deployer.model.errors import ExitCode
from deployer.view.choose import console_on
from deployer.view.summary import print_plan


@click.command()
@rollout_options
@release_options
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Start without asking; implied where there is no terminal.")
@click.option("--supersede", is_flag=True, help="Have a rollout that runs on the fleet make way for this one.")
@click.option("--sabotage", metavar="HOW", hidden=True, help="Break a rule of safety, in a lab only.")
@click.pass_obj
def rollout(program: Program | None, /, yes: bool, supersede: bool, sabotage: str | None, **given: object) -> int:
    """Roll a release out on a fleet.

    Whatever is left out comes from DEPLOYER_* variables, then from deployer.toml. TIME is such as 30s, 5m or 1h.

    Exit status: 0 done; 1 failed, and rolled back or left safe; 2 wrong usage or settings; 3 failed, and needs a
    hand; 4 the fleet is held by another rollout; 5 refused before anything was changed; 6 paused; 130 and 143
    interrupted, and can be resumed.
    """
    call = Call.of(program, given)
    options = RunOptions(supersede=supersede, sabotage=sabotage_of(sabotage, call.program.environment))
    interactive = not call.as_json and not yes and call.program.interactive()
    if interactive and not _agreed(call, options):
        return int(ExitCode.REFUSED)
    return carry(call, lambda watch: call.backend.rollout(call.settings, options, watch))


def _agreed(call: Call, options: RunOptions) -> bool:
    """Shows the plan and asks; True when there is nothing to agree to, too, for the rollout to say so."""
    report = call.backend.plan(call.settings, options)
    print_plan(report, console_on(call.program.err, call.style), verbose=call.style.verbose)
    if not report.changes or call.program.agrees(f"Start in {report.where}?" if report.where else "Start?"):
        return True
    click.echo("not started; nothing was changed", err=True)
    return False
