"""`python -m deployer.lab.load`: the load generator against any address, in a process of its own."""

from __future__ import annotations

import click

from deployer.lab.load.generator import Target
from deployer.lab.load.schedule import Mix
from deployer.lab.load.session import Run, carry_out
from deployer.lab.load.text import render


def _target(text: str) -> Target:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise click.BadParameter(
            f"expected HOST:PORT such as 127.0.0.1:8080, found {text!r}", param_hint="--target"
        )
    return Target(host, int(port))


@click.command()
@click.option("--target", required=True, metavar="HOST:PORT", help="Where to send the requests.")
@click.option("--rate", type=click.FloatRange(0.1, 20_000), default=200.0, show_default=True, help="Requests/s.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long; without it, until SIGINT or SIGTERM.")
@click.option("--slow", type=click.FloatRange(0, 1), default=Mix.slow, show_default=True, help="Share of /slow.")
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the same mix of requests.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--tied", is_flag=True, help="Also stop when the process that started this one is gone.")
def main(target: str, rate: float, seconds: float | None, slow: float, seed: int, output: str, tied: bool) -> None:
    """Sends requests at a fixed rate, retries none, and prints what became of each."""
    run = Run(_target(target), rate, seconds, Mix(slow=slow), seed, tied)
    click.echo(render(carry_out(run), output))


if __name__ == "__main__":
    main()
