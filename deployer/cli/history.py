"""`deployer history`."""

from __future__ import annotations

from dataclasses import asdict

import click

from deployer.cli.options import fleet_options
from deployer.cli.program import Call, Program
from deployer.view.documents import history_document, print_document
from deployer.view.past import history_lines, record_line, rollout_lines


@click.command()
@click.argument("rollout", required=False)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="How many, newest first."
)
@click.option(
    "--jsonl", is_flag=True, help="Every record, one line of JSON each: of ROLLOUT, or of all that are kept."
)
@fleet_options
@click.pass_obj
def history(program: Program | None, /, rollout: str | None, limit: int, jsonl: bool, **given: object) -> int:
    """Show a fleet's latest rollouts: how they ended, how long they took, and whose they were; or one, ROLLOUT."""
    call = Call.of(program, given)
    if jsonl:
        _export(call, rollout)
    elif rollout is not None:
        _tell(call, rollout)
    else:
        past = call.backend.history(call.settings, limit)
        if call.as_json:
            print_document(history_document(call.settings.name, past), call.program.out)
        else:
            click.echo("\n".join(history_lines(past)))
    return 0


def _export(call: Call, rollout: str | None) -> None:
    from deployer.rollout.history import all_records

    for record in all_records(call.settings, rollout):
        call.program.out.write(record_line(record) + "\n")


def _tell(call: Call, rollout: str) -> None:
    from deployer.rollout.history import one_rollout

    past, records = one_rollout(call.settings, rollout)
    if call.as_json:
        document = {"fleet": call.settings.name, **asdict(past), "records": [asdict(one) for one in records]}
        print_document(document, call.program.out)
    else:
        click.echo("\n".join(rollout_lines(past, records)))
