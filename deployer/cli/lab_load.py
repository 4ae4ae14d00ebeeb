"""`deployer lab load`: requests at a fixed rate to the lab's balancer, and what became of each."""

from __future__ import annotations

import os

import click

from deployer.cli.lab_extra import LabCommand


@click.command("load", cls=LabCommand, short_help="Calls the fleet at a fixed rate and counts what became of it.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long; without it, until Ctrl-C.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 20_000), help="Requests/s.  [default: 200, or what fits the shape]"
)
@click.option(
    "--shape",
    metavar="NAME",
    help="One shape of traffic alone: new, keep-alive, half-close, slow, upload, download, sse or tcp. "
    "Most need the fleet of `deployer demo --shape` (examples/abrupt).",
)
@click.option("--target", metavar="HOST:PORT", help="What to call; the lab's only balancer when left out.")
@click.option(
    "--slow", type=click.FloatRange(0, 1), default=0.03, show_default=True, help="Share of slow requests."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same mix of requests.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def load(
    seconds: float | None,
    rate: float | None,
    shape: str | None,
    target: str | None,
    slow: float,
    seed: int,
    output: str,
) -> None:
    """Calls the lab's fleet, retries nothing, and prints what became of each request.

    Ctrl-C ends it early; the result is printed all the same.
    """
    # Imported here: `deployer --help` has to be quick.
    from deployer.lab.load.endpoint import find_endpoint, parse_target
    from deployer.lab.load.schedule import Mix
    from deployer.lab.load.session import Run, carry_out, rate_for
    from deployer.lab.load.shapes import read_shape
    from deployer.lab.load.text import render

    alone = None if shape is None else read_shape(shape)
    found = parse_target(target) if target else find_endpoint(os.environ, shape=alone)
    run = Run(found, rate_for(rate, alone), seconds, Mix(slow=slow), alone, seed)
    click.echo(f"{run.rate:g} requests/s to {found}", err=True)
    click.echo(render(carry_out(run), output))
