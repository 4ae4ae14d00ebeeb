"""`deployer iam-policy`."""

from __future__ import annotations

import click

from deployer.cli.options import backend_option, fleet_options
from deployer.cli.program import Call, Program
from deployer.view.documents import print_document


@click.command("iam-policy")
@click.option("--account", default="*", show_default=True, help="Account id that the resources are in.")
@fleet_options
@backend_option
@click.pass_obj
def iam_policy(program: Program | None, /, account: str, **given: object) -> int:
    """Print the least IAM policy that rollouts of this fleet need, as its settings stand. Asks nothing of AWS."""
    call = Call.of(program, given)
    region = call.settings.aws.region or "*"
    print_document(call.backend.iam_policy(call.settings, account, region), call.program.out)
    return 0
