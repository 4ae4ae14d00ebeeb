"""`deployer lab fault`: something goes wrong in the lab, on order."""

from __future__ import annotations

import os

import click

from deployer.cli.lab_extra import LabCommand


@click.command(
    "fault",
    cls=LabCommand,
    short_help="Orders a fault, or shows what is on order.",
    context_settings={"ignore_unknown_options": True},
)
@click.option("--name", help="Which lab.  [default: the one of this shell, else lab]")
@click.option("--clear", is_flag=True, help="Takes all faults back.")
@click.argument("words", nargs=-1)
def fault(name: str | None, clear: bool, words: tuple[str, ...]) -> None:
    """Orders a fault: ACTION KIND [VALUE] [xCOUNT | always]. Without words, shows what is on order.

    \b
    deployer lab fault RunInstances lose-answer
    deployer lab fault DescribeInstances throttle x20
    deployer lab fault RunInstances error InsufficientInstanceCapacity
    deployer lab fault 'elasticloadbalancing:*' delay 0.5 always
    deployer lab fault image-stuck
    """
    # Imported here: `deployer --help` has to be quick.
    from deployer.lab import daemon
    from deployer.lab.home import lab_home
    from deployer.model.errors import UsageError

    home = lab_home(name or os.environ.get("DEPLOYER_LAB") or "lab", os.environ)
    facts = home.alive()
    if facts is None:
        raise UsageError(f"lab {home.name} does not run; start it with deployer lab up --name {home.name}")
    document = {"clear": True} if clear else {"words": list(words)} if words else None
    ordered = daemon.ask(home, facts, "faults", document)["faults"]
    if not ordered:
        click.echo("no fault is on order", err=True)
    for entry in ordered:
        times = "always" if entry["count"] is None else f"{entry['count']} more"
        click.echo(f"{entry['action']} {entry['kind']}, {times}")
