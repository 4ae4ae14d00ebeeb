"""`python -m deployer.lab.load`: the load generator against any address, in a process of its own."""

from __future__ import annotations

import click

from deployer.lab.load.endpoint import parse_target
from deployer.lab.load.schedule import Mix
from deployer.lab.load.session import Run, carry_out, rate_for
from deployer.lab.load.shapes import read_shape
from deployer.lab.load.text import render
from deployer.model.errors import UsageError


@click.command()
@click.option("--target", required=True, metavar="HOST:PORT", help="Where to send the requests.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 20_000), help="Requests/s.  [default: 200, or what fits the shape]"
)
@click.option("--shape", metavar="NAME", help="This shape of traffic alone.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long; without it, until SIGINT or SIGTERM.")
@click.option("--slow", type=click.FloatRange(0, 1), default=Mix.slow, show_default=True, help="Share of /slow.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same mix of requests.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--tied", is_flag=True, help="Also stop when the process that started this one is gone.")
def main(
    target: str,
    rate: float | None,
    shape: str | None,
    seconds: float | None,
    slow: float,
    seed: int,
    output: str,
    tied: bool,
) -> None:
    """Sends requests at a fixed rate, retries none, and prints what became of each."""
    try:
        found = parse_target(target)
        alone = None if shape is None else read_shape(shape)
    except UsageError as error:
        raise click.UsageError(str(error)) from None
    run = Run(found, rate_for(rate, alone), seconds, Mix(slow=slow), alone, seed, tied)
    click.echo(render(carry_out(run), output))


if __name__ == "__main__":
    main()
