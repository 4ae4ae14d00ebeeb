"""`deployer rollout`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options, release_options, rollout_options
from deployer.cli.program import Call, Program, refuse_hooks
from deployer.cli.sabotage import sabotage_of
from deployer.config.settings import FleetSettings, RunOptions
from deployer.engine.events import Watch
from deployer.engine.result import Result, Status
from deployer.model.errors import DeployerError, ExitCode
from deployer.view.choose import console_on, watching
from deployer.view.documents import print_document
from deployer.view.summary import print_plan, print_result


@click.command()
@rollout_options
@release_options
@fleet_options
@click.option("-y", "--yes", is_flag=True, help="Start without asking; implied where there is no terminal.")
@click.option("--sabotage", metavar="HOW", hidden=True, help="Break a rule of safety, in a lab only.")
@click.pass_obj
def rollout(program: Program | None, /, yes: bool, sabotage: str | None, **given: object) -> int:
    """Roll a release out on a fleet.

    Whatever is left out comes from DEPLOYER_* variables, then from deployer.toml. TIME is such as 30s, 5m or 1h.

    Exit status: 0 done; 1 failed, and rolled back or left safe; 2 wrong usage or settings; 3 failed, and needs a
    hand; 4 the fleet is held by another rollout; 5 refused before anything was changed; 6 paused; 130 and 143
    interrupted, and can be resumed.
    """
    call = Call.of(program, given)
    refuse_hooks(call.settings)
    options = RunOptions(yes=yes, sabotage=sabotage_of(sabotage, call.program.environment))
    if call.as_json:
        return _as_document(call, options)
    if not yes and call.program.interactive() and not _agreed(call, options):
        return int(ExitCode.REFUSED)
    with watching(call.style, call.program.err) as watched:
        result = call.program.backend().rollout(call.settings, options, watched)
    print_result(result, watched.failures, console_on(call.program.out, call.style))
    return int(result.exit_code)


def _agreed(call: Call, options: RunOptions) -> bool:
    """Shows the plan and asks; True when there is nothing to agree to, too, for the rollout to say so."""
    report = call.program.backend().plan(call.settings, options)
    print_plan(report, console_on(call.program.err, call.style))
    if not report.changes or click.confirm("Start?", err=True):
        return True
    click.echo("not started; nothing was changed", err=True)
    return False


def _as_document(call: Call, options: RunOptions) -> int:
    """A document comes out whatever happens once the settings are understood; the error still goes to stderr."""
    try:
        with watching(call.style, call.program.err) as watched:
            result = _run(call, options, watched)
    except DeployerError as error:
        print_document(_refused(call.settings, error).document(), call.program.out)
        raise
    print_document(result.document(), call.program.out)
    return int(result.exit_code)


def _run(call: Call, options: RunOptions, watch: Watch) -> Result:
    return call.program.backend().rollout(call.settings, options, watch)


def _refused(settings: FleetSettings, error: DeployerError) -> Result:
    """The document of a rollout that ended before it could say anything of its own."""
    return Result(
        rollout="",
        fleet=settings.name,
        strategy=settings.rollout.strategy,
        method=settings.rollout.method.value,
        backend="native",
        status=Status.FAILED,
        release_from=None,
        release_to=settings.release.name or "",
        image_from=None,
        image_to=settings.release.image,
        total=0,
        replaced=0,
        failed=0,
        old=(),
        new=(),
        floor=0,
        lowest=0,
        surge_limit=0,
        surge_highest=0,
        seconds_total=0.0,
        seconds_bake=0.0,
        seconds_rollout=0.0,
        seconds_lower_bound=0.0,
        reason=str(error),
        exit_code=error.exit_code,
    )
