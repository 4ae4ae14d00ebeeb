"""`deployer iam-policy`."""

from __future__ import annotations

import click

from deployer.cli.options import backend_option, fleet_options
from deployer.cli.program import Call, Program
from deployer.view.documents import print_document


@click.command("iam-policy")
@click.option("--account", default="*", show_default=True, help="Account id that the resources are in.")
@click.option(
    "--from-fleet",
    is_flag=True,
    help="Look at the fleet once, and name its account, region, balancers, listeners, role, subnets and template.",
)
@fleet_options
@backend_option
@click.pass_obj
def iam_policy(program: Program | None, /, account: str, from_fleet: bool, **given: object) -> int:
    """Print the least IAM policy that rollouts of this fleet need, as its settings stand.

    Asks nothing of AWS, except with --from-fleet.
    """
    call = Call.of(program, given)
    region = call.settings.aws.region or "*"
    document = call.backend.iam_policy(call.settings, account, region, from_fleet=from_fleet)
    print_document(document, call.program.out)
    return 0
