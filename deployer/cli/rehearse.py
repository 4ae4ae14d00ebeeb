"""`deployer rehearse`."""

from __future__ import annotations

import click

from deployer.cli.options import fleet_options, release_options, rollout_options
from deployer.cli.program import Call, Program
from deployer.config.settings import RunOptions
from deployer.model.errors import ExitCode
from deployer.view.documents import print_document
from deployer.view.text import clean, clock_time


@click.command()
@click.option(
    "--seeds", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Rollouts with faults."
)
@rollout_options
@release_options
@fleet_options
@click.pass_obj
def rehearse(program: Program | None, /, seeds: int, **given: object) -> int:
    """Run the plan for this fleet against its twin, with faults thrown in; changes nothing.

    Exit status: 0 when every promise held, 5 when one did not.
    """
    from dataclasses import asdict

    from deployer.plugins.strategies import strategy_for
    from deployer.sim.rehearsal import rehearse as run

    call = Call.of(program, given)
    plan = call.backend.plan(call.settings, RunOptions()).plan
    strategy = strategy_for(plan.strategy, plan.strategy_settings, call.settings.folder)
    with click.progressbar(length=1, label=f"{seeds} rollouts in the twin", file=call.program.err) as bar:
        done = run(plan, strategy, seeds=seeds)
        bar.update(1)
    if call.as_json:
        print_document(asdict(done), call.program.out)
        return int(ExitCode.REFUSED if done.broken else ExitCode.DONE)
    click.echo(f"{done.rollouts} rollouts of {len(plan.slots)} instances, {clean(plan.strategy)}")
    click.echo(
        f"in fair weather: about {clock_time(done.fair_seconds)}; the longest: {clock_time(done.longest_seconds)}"
    )
    click.echo("ends: " + ", ".join(f"{word} {number}" for word, number in done.ends))
    click.echo("faults: " + (", ".join(f"{name} {number}" for name, number in done.faults) or "none befell"))
    click.echo("promises broken: " + ("none" if not done.broken else ""))
    for line in done.broken:
        click.echo(f"  {clean(line)}")
    return int(ExitCode.REFUSED if done.broken else ExitCode.DONE)
